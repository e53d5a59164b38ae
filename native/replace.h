/* The kill switch of the supervisor. */
#pragma once

#include "box.h"

/* `replace`: kills the supervisor and executes the payload in this process, without a box, with everything as the caller had it. Returns
 * only for an order that it cannot take, before it kills the supervisor: with what is wrong, which the caller frees. A later error is a
 * line on descriptor 2 and EXIT_WRAPPER or EXIT_NOT_EXECUTED. */
char *replace_shim(const struct box *box, struct frame *frame);
