/* Whose doing it is when the kernel kills init: any process of its uid may lower its limits (prlimit(2)), and what has used up RLIMIT_CPU
 * is killed even as process 1. */
#pragma once

#include <stddef.h>

/* Memory for what is still to come, so that no limit of memory or stack that is set later ends this process. */
void limited_prepare(size_t applications);

/* Tells the shim once (`limited`) that the limit of CPU time is lower than it was then. To be asked whenever this process wakes. */
void limited_look(int control);
