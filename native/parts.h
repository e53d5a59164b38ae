/* The named pipe in which wrappers in the box tell of themselves. */
#pragma once

#include <stdbool.h>

/* `[UID GID ]PATH`: whether it is one. */
bool parts_valid(const char *place);

/* Makes it, in place of what a launch before this one left there, and opens it: as long as the descriptor is open
 * nothing that was written is lost, whether a supervisor reads or not. -1, with errno. */
int parts_make(const char *place);
