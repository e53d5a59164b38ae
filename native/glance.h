/* A look at the node that costs next to nothing: whether anything has changed since the last probe. */
#pragma once

#include <stdbool.h>

/* Whether the call is `node probe`, by root, with nothing that asks for more. */
bool glance_asked(int argc, char **argv);

/* True when everything is as the last probe wrote it down, and nothing is due: then the time of its result is renewed. */
bool glance_unchanged(void);
