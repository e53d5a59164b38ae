/* File systems that the box's engine does not make: overlays and what they lie on, mounted by enter before the engine
 * builds the box from them; and the view of its own that an application's process enters before its exec. */
#ifndef TARE_VIEW_H
#define TARE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { VIEW_WORDS = 6, VIEW_HELD = 128 };

/* One thing to do: its name, then its arguments (README, Views). */
struct view_op {
	char *words[VIEW_WORDS];
	size_t count;
};

struct view {
	struct view_op *ops;
	size_t count;
};

/* `M`: begins an op, `m`: one more argument of the last. False: there is no room, or no op. */
bool view_add(struct view *view, char key, const char *text);
/* What is wrong with it, NULL when each op is known and has all its arguments. The caller frees it. */
char *view_wrong(const struct view *view);
void view_free(struct view *view);

/* Does all of it, in the calling process, which must have one thread. Stops at the first that fails: then `step` is the
 * op's name and `what` the path, and errno says why. */
bool view_build(const struct view *view, const char **step, const char **what);

/* Descriptors of `hold`, which are to be open for as long as the box is there. */
const int *view_held(size_t *count);

/* A mount that stands ready somewhere in the box, and where this process is to see it. */
struct view_swap {
	const char *source, *destination;
};

struct own_view {
	struct view_swap *swaps;
	size_t swap_count;
	/* Mounts below the destinations that stay as they are, outermost first: /proc, /dev, the work directory. */
	const char **kept;
	size_t kept_count;
	/* A directory that holds what stands ready for others too, hidden at the end; NULL: none. */
	const char *hidden;
};

/* Gives this process, and whoever it becomes, mounts of its own in a user namespace of its own, and no capability. False,
 * with errno and `what`. Nothing is to be done with the process then but to end it. */
bool view_enter(const struct own_view *view, const char **what);

/* This process alone in a user namespace, where it is `uid` and `gid`. False, with errno. */
bool user_namespace(uid_t uid, gid_t gid);
/* Mounts of its own for this process: what the node mounts and unmounts later, an automounter above all, still arrives. False,
 * with errno. */
bool own_mounts(void);
/* A /proc of this process's PID namespace in place of what is there, in its mount namespace. False, with errno. */
bool replace_proc(void);
/* Programs that this process executes get no capabilities but these (bit N is capability N). False, with errno. */
bool bound_set(unsigned long long kept);
/* And itself has no others. */
bool bound_capabilities(unsigned long long kept);

/* The roles `tare-trial`, `tare-opaque` and `tare-clear` (README, Tools). */
int trial_main(int argc, char **argv);
int opaque_main(const char *directory);
int clear_main(char **ids, char **directories);
int own_main(char **words);

#endif
