/* The view of its own that an application's process enters before its exec. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

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

/* Gives this process, and the program that it executes, mounts of its own in a user namespace of its own, and no capability. False,
 * with errno and `what`. Nothing is to be done with the process then but to end it. */
bool own_view_enter(const struct own_view *view, const char **what);
