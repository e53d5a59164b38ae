/* Directories that are locked to their owner, the account of the box. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* Adds up space, in bytes, and number of the files in them, with rights over files of its own that a user namespace gives: the one that
 * owns `user_of`, a process of the box's, or a new one. `directories` ends with NULL. False: not all of them could be looked at. */
bool locked_walk(pid_t user_of, char *const *directories, long long *bytes, long long *files);
