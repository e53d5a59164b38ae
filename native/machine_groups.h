/* What holds a virtual machine's processes to a limit: a control group of the machine's own kernel. */
#pragma once

#include <stdbool.h>

/* This process and all that it starts are so many at most, from now on. False, with errno. */
bool machine_groups_limit(const char *processes);
