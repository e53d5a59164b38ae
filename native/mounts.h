/* File systems in memory of a box's mount namespace, also those that others are mounted over, and mounts that show what is watched. In a
 * child (look.h), which reports them. */
#pragma once

#include "held.h"

#include <stdint.h>

/* Examines the mounts of the namespace that the child has entered; `proc` is the node's /proc. */
void mounts_look(struct held *held, int proc);
/* One file system, if it is one in memory, by a path in it. */
void mounts_look_at_memory(uint64_t device, const char *place);
