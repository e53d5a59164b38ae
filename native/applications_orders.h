/* What the front orders of several applications. */
#ifndef TARE_APPLICATIONS_ORDERS_H
#define TARE_APPLICATIONS_ORDERS_H

#include "applications_state.h"

/* There is something to read in the front's socket: takes all frames that are whole. At its end, or where they are not to be understood, all
 * applications are told to end. */
void applications_read_orders(struct applications *box);

#endif
