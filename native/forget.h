/* The end of a box's state directory: who reads it is gone, and what it led to. */
#pragma once

#include <sys/types.h>

/* Begins to remove a state directory, of it the file of that name last, which tells a sweep what the rest is. A child does it: storage may
 * not answer. -1: there is none. */
pid_t forget_begin(const char *directory, const char *last);
/* Waits for the child at most FORGET_MS, then kills it. Where there was none, or somebody else has killed it, begins once more. */
void forget_end(pid_t child, const char *directory, const char *last);
