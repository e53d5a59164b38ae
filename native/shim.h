#pragma once

#include "supervisor.h"
#include "caller.h"

/* The pid that the caller knows. Ends as the payload ended. */
_Noreturn void shim_main(struct caller *caller, const struct supervisor_file *file, bool command_line);
