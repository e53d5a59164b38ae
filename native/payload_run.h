/* The payload's process between fork and exec. */
#pragma once

#include "payload.h"

/* In the forked child. Joins its cgroups, reports that it waits on `control` (-1: nowhere), waits for a byte on `link`, executes.
 * What fails is a frame `failed` on `link`, which the exec closes. */
_Noreturn void payload_run(struct payload *payload, int control, int link);

/* The kill switch: executes in the shim's own place, without a box. What fails is a line on descriptor 2. */
_Noreturn void payload_replace(const struct payload *payload);
