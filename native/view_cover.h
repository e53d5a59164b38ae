/* Ops of views that put something over what is there (README, Views). Paths that a job names are looked up with the rights of the job's
 * user. Each returns false, with errno. */
#pragma once

#include <stdbool.h>

/* closed SOURCE PLACE rw|ro USER: SOURCE with all below it is at PLACE, of the box's own: what is in its way for the engine is mounted
 * there. */
bool op_closed(char *const *words);
/* inside rw|ro|tmpfs SOURCE PLACE PATH USER: in it, at PATH: a directory or a file of the node's, or a tmpfs that cannot be written to, of
 * the mode that is its source. */
bool op_inside(char *const *words);
