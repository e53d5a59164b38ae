/* File systems that the box's engine does not make: overlays and what they lie on, mounted by enter before the engine builds the box
 * from them. A view is a list of ops, which are done in their order (README, Views); what they do is in view_*.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { VIEW_WORDS = 6 };

/* One thing to do: its name, then its arguments (README, Views). */
struct view_op {
	char *words[VIEW_WORDS];
	size_t count;
};

struct view {
	struct view_op *ops;
	size_t count;
};

/* Begins an op, or adds one more argument to the last. False: there is no room, or no op. */
bool view_add(struct view *view, bool begins, const char *text);
/* What is wrong with it, NULL when each op is known and has all its arguments. The caller frees it. */
char *view_wrong(const struct view *view);
void view_free(struct view *view);

/* Does all of it, in the calling process, which must have one thread. Stops at the first that fails: then `step` is the
 * op's name and `what` the path, and errno says why. */
bool view_build(const struct view *view, const char **step, const char **what);
