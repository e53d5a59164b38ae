/* See own_view.h. */
#include "own_view.h"
#include "capabilities.h"
#include "mount_tree.h"
#include "namespaces.h"
#include "util.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Copies of the mounts that stay, in their order; NULL, with errno and `what`. */
static int *open_kept(const struct own_view *view, const char **what)
{
	int *trees = xrealloc(NULL, (view->kept_count + 1) * sizeof *trees);

	for (size_t i = 0; i < view->kept_count; i++) {
		*what = view->kept[i];
		if ((trees[i] = mount_tree_open(view->kept[i])) < 0)
			return NULL;
	}
	return trees;
}

/* False, with errno. */
static bool swap_in(const struct view_swap *swap)
{
	int tree = mount_tree_open(swap->source);
	bool root = !strcmp(swap->destination, "/");
	/* a root has to be a mount of this namespace's own, so it is attached first, over itself */
	bool done = tree >= 0 && mount_tree_attach(tree, root ? swap->source : swap->destination) && (!root || change_root(swap->source));
	close_kept(tree);
	return done;
}

bool own_view_enter(const struct own_view *view, const char **what)
{
	*what = "namespaces";
	/* else /proc/self is root's; the exec does it anyway */
	prctl(PR_SET_DUMPABLE, 1);
	if (!user_namespace(geteuid(), getegid()) || !own_mounts())
		return false;
	/* in hand before anything covers them */
	int *kept = open_kept(view, what);
	if (!kept)
		return false;
	for (size_t i = 0; i < view->swap_count; i++) {
		*what = view->swaps[i].destination;
		if (!swap_in(&view->swaps[i]))
			return false;
	}
	for (size_t i = 0; i < view->kept_count; i++) {
		*what = view->kept[i];
		if (!mount_tree_attach(kept[i], view->kept[i]))
			return false;
		close(kept[i]);
	}
	free(kept);
	*what = view->hidden;
	if (view->hidden && mount("tmpfs", view->hidden, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV, "mode=0,size=4k"))
		return false;
	*what = "capabilities";
	return bound_set(0) && bound_capabilities(0);
}
