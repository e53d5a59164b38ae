/* What the brain says, and the end of it. */
#ifndef TARE_ORDERS_H
#define TARE_ORDERS_H

#include "state.h"

/* There is something to read in the brain's socket: takes all frames that are whole, or notices that the brain has ended or broken the
 * protocol. */
void orders_read(struct front *front);

/* The brain is dead, with this raw status: what it has sent still counts, then it is done without. */
void orders_brain_reaped(struct front *front, int status);

#endif
