/* The end of a box. */
#pragma once

#include "box.h"

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

/* A child of the shim was reaped: it may be the box's engine, or its init. */
void box_reaped(struct box *box, pid_t pid, int status, const struct rusage *usage);

enum box_left {
	BOX_STAYS, /* there is a box, or there was none */
	BOX_SOON, /* a process is being killed whose end sends no event: call again soon */
	BOX_GONE, /* the box is gone since this call, and the supervisor was told `gone` */
};

/* Looks whether anything is left of the box, and ends it when not. */
enum box_left box_settle(struct box *box);

/* Ends a box of which nothing is left, or that was never forked: tells the supervisor `gone` and releases all that is held for it. */
void box_end(struct box *box);

/* Whether the box was killed STUCK_MS ago and is not gone: the shim does not wait for it any more. A process that waits in the kernel,
 * for a file server say, dies only when that lets it. */
bool box_is_stuck(const struct box *box);
