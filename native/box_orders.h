/* What the brain orders of a box. An order comes at any time: what a box cannot do yet it does when it is ready, and of one that is gone
 * nothing is to be done. Where a function takes a frame, false means that this is not to be asked of this box. */
#ifndef TARE_BOX_ORDERS_H
#define TARE_BOX_ORDERS_H

#include "box.h"

#include <stdbool.h>

/* `G`: lets the payload go, or gives an application its next start. */
bool box_go(struct box *box, struct frame *frame);
/* A signal, whose number was read already, for one application. */
bool box_signal_one(struct box *box, int signo, struct frame *frame);
bool box_kill_one(struct box *box, struct frame *frame);
/* `W`: nothing will be started any more. For a box with several applications; nothing else. */
void box_wind_up(struct box *box);

/* The box is ready: passes on what was ordered before. */
void box_pass_orders(struct box *box);

/* Without a brain nobody would end services: kills the box when nothing else runs in it, and services do. */
void box_end_services(struct box *box);

#endif
