/* File systems that a program serves (FUSE). */
#pragma once

#include <stdbool.h>

/* Starts the program, and waits until it serves the directory or has ended: `PROGRAM -f -o OPTIONS [SOURCE] DIRECTORY`. Without a source
 * the options name what is served. It ends with this process, or with what that becomes. False, with errno: ECHILD where it has ended,
 * ETIMEDOUT. */
bool fuse_serve(const char *program, const char *options, const char *source, const char *directory);
