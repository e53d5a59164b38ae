/* What the supervisor says, and the end of it. */
#pragma once

#include "state.h"

/* Reads the supervisor's socket once and takes all whole frames. Finds another supervisor when this one has ended or broken the
 * protocol. */
void orders_read(struct shim *shim);

/* The supervisor is dead, with this raw status: takes what it has sent, then finds another supervisor. */
void orders_supervisor_reaped(struct shim *shim, int status);
