/* What the supervisor orders of a box. An order can come at any time: a box that is not ready keeps it, and without a box nothing is done.
 * A function that takes a frame returns false when this box cannot be asked that. */
#pragma once

#include "box.h"

#include <stdbool.h>

/* `go`: lets the payload go, or gives an application its next start. */
bool box_go(struct box *box, const struct frame *frame);
/* `signal` and `kill` with an index: of a box that is gone nothing runs, as of one that is not yet ready. */
bool box_signal_one(struct box *box, int signo, long index);
bool box_kill_one(struct box *box, long index);
/* `windUp`: no application will be started any more. Does nothing to a box with one payload. */
void box_wind_up(struct box *box);

/* Passes on what was ordered before the box was ready. Called once, when it is. */
void box_pass_orders(struct box *box);

/* Kills a box in which only services run. For a shim without a supervisor, which would end them. */
void box_end_services(struct box *box);
