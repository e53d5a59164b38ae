#ifndef TARE_FRONT_H
#define TARE_FRONT_H

#include "brain.h"
#include "caller.h"

/* The pid that the caller knows. Ends as the payload ended. */
_Noreturn void front_main(struct caller *caller, const struct brain_file *file, bool command_line);

#endif
