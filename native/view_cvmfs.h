/* Ops of views about what is mounted elsewhere, repositories of CVMFS above all (README, Views). Only mounts are taken in hand: their
 * servers are asked nothing. Each op returns false, with errno. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { VIEW_HELD = 128 };

/* hold PATH: opens the mount, so that no process, an automounter above all, unmounts it as unused until the box is gone. */
bool op_hold(char *const *words);
/* Descriptors of `hold`, which are to be open for as long as the box is there. */
const int *view_held(size_t *count);

/* graft SOURCE DIRECTORY: with all that is mounted below it, read-only. */
bool op_graft(char *const *words);
/* take MOUNTER PATH NAME: takes a mount of another process. retain PATH NAME: takes what the node itself has there, with all below it.
 * Both keep it under that name until the next `give`. */
bool op_take(char *const *words);
bool op_retain(char *const *words);
/* give DIRECTORY: all that was taken, and nothing else, is in the directory from now on. Where the node has none, it is made in a root
 * of this process's own. */
bool op_give(char *const *words);
