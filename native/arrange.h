/* What a daemon cannot do of a box, and process 1 does before it is init. */
#pragma once

#include <stdbool.h>

/* `IDENTITY [WORD PATH]…`: does to each path what its word says, in their order, with root's rights; then takes the identity (identity.h) for
 * good, without capabilities and without a way to any. Words: `readOnly`, `uncover` (takes away what is mounted there), `queues` (makes the
 * directory, and mounts POSIX message queues there), `hostname` (for which the path is the name), or a mode in octal digits, which the path
 * gets. What is not there needs no `uncover`.
 * False, with errno and what failed. */
bool arrange(char **words, const char **what);
