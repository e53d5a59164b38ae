/* The kill switch of the brain. */
#ifndef TARE_REPLACE_H
#define TARE_REPLACE_H

#include "box.h"

/* `D`: this process becomes the payload, without a box and without a brain, with everything as the caller had it. Returns only where it
 * cannot, as long as the brain lives: with what is wrong, which is the caller's to free. What fails later is a line on descriptor 2, and
 * EXIT_WRAPPER or EXIT_NOT_EXECUTED. */
char *replace_front(const struct box *box, struct frame *frame);

#endif
