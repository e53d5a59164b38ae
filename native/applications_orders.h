/* What the shim orders of several applications. */
#pragma once

#include "applications_state.h"

/* Reads the shim's socket once and takes all whole frames. Ends all applications at its end and at a frame that it cannot take. */
void applications_read_orders(struct applications *box);
