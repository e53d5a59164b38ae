/* The end of a box. */
#ifndef TARE_BOX_END_H
#define TARE_BOX_END_H

#include "box.h"

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

/* A child of the front was reaped: it may be the box's engine, or its init. */
void box_reaped(struct box *box, pid_t pid, int status, const struct rusage *usage);

/* What is left of the box? BOX_SOON: somebody whose end makes no event, so ask again soon. BOX_GONE: nothing any more, since just now; the
 * brain was told `B`. */
enum box_left { BOX_STAYS, BOX_SOON, BOX_GONE };
enum box_left box_settle(struct box *box);

/* Nothing is left of it, or never was: tells the brain `B`, and gives back all that is held for it. */
void box_end(struct box *box);

/* Killed long ago, and not gone: nobody waits for it any more. A process that waits in the kernel, for a file server say, dies when that lets it. */
bool box_is_stuck(const struct box *box);

#endif
