/* What init needs to know of one command: the file from which payload_load() reads it. */
#pragma once

#include "caller.h"
#include "launch.h"

/* A memfd, close-on-exec. -1, with errno. */
int specification_make(const struct launch *launch, const struct command *command, const struct caller *caller);
