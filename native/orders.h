/* What the brain says, and the end of it. */
#ifndef TARE_ORDERS_H
#define TARE_ORDERS_H

#include "state.h"

/* Reads the brain's socket once and takes all whole frames. Finds another brain when this one has ended or broken the protocol. */
void orders_read(struct front *front);

/* The brain is dead, with this raw status: takes what it has sent, then finds another brain. */
void orders_brain_reaped(struct front *front, int status);

#endif
