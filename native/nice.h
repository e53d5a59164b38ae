/* A process's priority among those that want a CPU (nice(7)). */
#pragma once

#include <stdbool.h>

/* Raises this process's nice value, a number as text. Nothing where it is as high already: lowering is root's, and a batch system may have
 * raised it further (HTCondor: JOB_RENICE_INCREMENT). False, with errno. */
bool nice_raise(const char *wanted);
