/* What the descriptors of a box's processes hold: memfds, pipes, file systems that are mounted nowhere any more, deleted files. */
#pragma once

#include "held.h"

#include <sys/types.h>

/* Of one process, with all its threads. Deleted files are printed, all else is noted. */
void descriptors_look(struct held *held, pid_t pid);
