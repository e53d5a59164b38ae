/* What the descriptors of a box's processes hold: memfds, pipes, file systems that are mounted nowhere any more, deleted files. */
#pragma once

#include "held.h"

#include <sys/types.h>

/* Examines the descriptors of one process with all its threads. Prints deleted files, and notes all else. */
void descriptors_look(struct held *held, pid_t pid);
