/* Ops of views that make file systems and directories (README, Views). Each returns false, with errno. */
#pragma once

#include <stdbool.h>

/* loop FILE DIRECTORY: the file system (ext4) in FILE at DIRECTORY; the device is gone with its last mount. */
bool op_loop(char *const *words);
/* squashfs FILE DIRECTORY PROGRAM OPTIONS: the file system in a file, which is not written to. By the kernel, or by the program that is
 * named. */
bool op_squashfs(char *const *words);
/* tmpfs DIRECTORY BYTES */
bool op_tmpfs(char *const *words);
bool op_devpts(char *const *words);
/* directory PATH MODE [UID GID] (empty: the caller's) */
bool op_directory(char *const *words);
