/* Pause points, for tests of a killed wrapper. */
#pragma once

#include <stdbool.h>

/* When `wanted` (NULL: none) is this step: takes the step's name and waits until the lifeline ends; true then.
 * Without a lifeline (-1) it waits for ever. */
bool step(const char *wanted, const char *name, int lifeline);
