/* See view.h. */
#include "view.h"
#include "util.h"
#include "view_cover.h"
#include "view_cvmfs.h"
#include "view_disk.h"
#include "view_ids.h"
#include "view_overlay.h"

#include <stdlib.h>
#include <string.h>

static const struct view_known {
	const char *name;
	size_t count; /* words */
	size_t what; /* which of them is the path for people */
	bool (*act)(char *const *words);
} known_ops[] = {
	{ "namespace", 2, 1, op_namespace },
	{ "root", 5, 0, op_root },
	{ "loop", 3, 1, op_loop },
	{ "tmpfs", 3, 1, op_tmpfs },
	{ "devpts", 2, 1, op_devpts },
	{ "directory", 5, 1, op_directory },
	{ "point", 4, 3, op_point },
	{ "shift", 5, 1, op_shift },
	{ "overlay", 6, 4, op_overlay },
	{ "fuse", 5, 4, op_fuse },
	{ "squashfs", 5, 1, op_squashfs },
	{ "graft", 3, 2, op_graft },
	{ "closed", 5, 1, op_closed },
	{ "inside", 6, 4, op_inside },
	{ "hold", 2, 1, op_hold },
	{ "take", 4, 3, op_take },
	{ "retain", 3, 1, op_retain },
	{ "give", 2, 1, op_give },
};

/* NULL: there is no such op with so many words. */
static const struct view_known *known_op(const struct view_op *op)
{
	for (size_t i = 0; i < sizeof known_ops / sizeof *known_ops; i++)
		if (!strcmp(known_ops[i].name, op->words[0]) && known_ops[i].count == op->count)
			return &known_ops[i];
	return NULL;
}

bool view_add(struct view *view, bool begins, const char *text)
{
	if (begins) {
		view->ops = xrealloc(view->ops, (view->count + 1) * sizeof *view->ops);
		view->ops[view->count++] = (struct view_op){ .count = 0 };
	}
	struct view_op *op = view->count ? &view->ops[view->count - 1] : NULL;
	if (!op || op->count == VIEW_WORDS)
		return false;
	op->words[op->count++] = xmemdup(text, strlen(text) + 1);
	return true;
}

char *view_wrong(const struct view *view)
{
	for (size_t i = 0; i < view->count; i++)
		if (!known_op(&view->ops[i]))
			return xprintf("launch: cannot mount '%.200s' with %zu words", view->ops[i].words[0],
				       view->ops[i].count - 1);
	return NULL;
}

void view_free(struct view *view)
{
	for (size_t i = 0; i < view->count; i++)
		for (size_t j = 0; j < view->ops[i].count; j++)
			free(view->ops[i].words[j]);
	free(view->ops);
	*view = (struct view){ 0 };
}

bool view_build(const struct view *view, const char **step, const char **what)
{
	for (size_t i = 0; i < view->count; i++) {
		const struct view_op *op = &view->ops[i];
		const struct view_known *one = known_op(op);
		*step = one->name;
		*what = op->words[one->what];
		if (!one->act(op->words))
			return false;
	}
	return true;
}
