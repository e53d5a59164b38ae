/* Keeps one payload, or one start of one application: lets it go, passes signals on, and leaves no process alive. */
#pragma once

#include "keeper_state.h"

/* The payload is started now. `control`: orders come from there, reports go there, and its end is ours. `post`:
 * NULL for the only payload, which waits for `go`. All is taken over. */
_Noreturn void keeper_main(struct payload *payload, const struct channel *control, const struct post *post);
