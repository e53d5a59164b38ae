/* Mounts as descriptors: the calls of Linux 5.2 and later, for which not every C library has wrappers. sys/mount.h and linux/mount.h
 * cannot both be included with every C library: only this module includes the latter, and whatever calls mount(2) the former. All
 * functions return -1 or false with errno. */
#pragma once

#include <stdbool.h>

/* A copy of the mount at the path, with all below it; an automount stays asleep. A descriptor, close-on-exec. */
int mount_tree_open(const char *path);
/* The same without mounts below it. */
int mount_tree_open_alone(const char *path);

/* Mounts it at the path. The descriptor stays the caller's. */
bool mount_tree_attach(int tree, const char *path);
/* The same at a place that is open (O_PATH), a directory or a file. */
bool mount_tree_attach_at(int tree, int place);

/* Makes it read-only with all below it; `bare`: without programs that gain rights and without devices too. Linux 5.12, else ENOSYS. */
bool mount_tree_read_only(int tree, bool bare);
/* Its files get the owners that the user namespace, a descriptor, has for theirs. Linux 5.12 and a file system that can. */
bool mount_tree_shift(int tree, int user_namespace);

/* A new /proc of this process's PID namespace, without programs that gain rights and without devices. Linux 5.2, else ENOSYS. */
int mount_tree_of_proc(void);
