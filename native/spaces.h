/* Namespaces of a box, which are looked at from inside. */
#pragma once

#include "held.h"

#include <stdint.h>
#include <sys/types.h>

/* Notes which namespaces this process is in: what is in those belongs to no box. */
void spaces_note_own(struct held *held);

/* Adds the namespace that this path opens, unless it was there. A path that opens none, or none of the kinds, is left out. */
void spaces_add(struct held *held, const char *path);
/* Adds the namespaces of a process. */
void spaces_add_of(struct held *held, pid_t pid);

/* Looks at mounts, IPC objects or sockets of the namespaces that were found and not looked at. */
void spaces_look(struct held *held, enum kind kind);
/* At a file system that no mount of the box's shows: what it holds, if it is one in memory. */
void spaces_look_at_file_system(struct held *held, uint64_t device, const char *path);
