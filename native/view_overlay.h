/* Ops of views about overlays (README, Views): a lower directory, which stays as it is, and an upper one, which gets the changes. Each
 * returns false, with errno. */
#pragma once

#include <stdbool.h>

/* overlay LOWER UPPER WORK DIRECTORY OPTIONS: by the kernel. */
bool op_overlay(char *const *words);
/* fuse LOWER UPPER WORK DIRECTORY: by fuse-overlayfs. */
bool op_fuse(char *const *words);
/* point LOWER UPPER PATH: something to mount upon at PATH in an image that may lack it: a directory, or a file, as the node has there. */
bool op_point(char *const *words);
