/* Limits of a process (getrlimit(2)), as the supervisor writes them down. */
#pragma once

#include <stdbool.h>
#include <sys/resource.h>

/* `NAME soft hard`, each a number or `unlimited`, into its place in `limits`. The supervisor may ask for more than `most` allows; it gets
 * that then. False: it is no such text. */
bool limit_parse(struct rlimit limits[RLIM_NLIMITS], const char *text, const struct rlimit most[RLIM_NLIMITS]);
