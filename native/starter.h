/* What even a shim without a supervisor tells the batch system: see starter.c. */
#pragma once

#include "caller.h"

/* Tells HTCondor's starter that nothing was run; `line` says why. */
void starter_tell(const struct caller *caller, const char *line);

/* The payload runs without a supervisor: what an attempt before this one told would be taken for this one's. */
void starter_forget(const struct caller *caller);
