/* Ops of views about whose processes and files are (README, Views). Each returns false, with errno. */
#pragma once

#include <stdbool.h>

/* namespace user|mount: mounts of its own; `user`: in a user namespace of its own. */
bool op_namespace(char *const *words);
/* root UIDS COUNT GIDS COUNT: uid and gid 0 are the caller, and those from 1 on are its subordinate ones; mounts of its own. */
bool op_root(char *const *words);
/* shift SOURCE DIRECTORY UIDS GIDS: SOURCE, with what is mounted below it left out, at DIRECTORY with the owners that a user namespace with
 * these maps has for its files. */
bool op_shift(char *const *words);
