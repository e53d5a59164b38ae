#pragma once

#include "launch.h"

#include <stdbool.h>

/* In the child that the shim forked: becomes the engine, which becomes the box. What fails is a frame `failed` on
 * `control`. `errors` becomes the engine's descriptor 2. `at_terminal`: the caller has one. */
_Noreturn void enter_main(const struct launch *launch, bool at_terminal, int control, int errors);
