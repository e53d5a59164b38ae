/* Which supervisor, and starting one. */
#pragma once

#include "caller.h"

#include <stdbool.h>
#include <sys/types.h>

/* The file `tare.supervisor` beside the executable. */
struct supervisor_file {
	char *interpreter; /* an absolute path */
	char *wrap, *command_line; /* scripts; NULL when the interpreter is the program itself */
};

/* Reads it. NULL, or what is wrong, which the caller frees. */
char *supervisor_locate(struct supervisor_file *file);

/* Starts a supervisor on `socket`, `output` its descriptors 1 and 2 (-1: /dev/null). A supervisor that cannot be executed sends the one
 * frame `!`: errno, path. -1 with errno. */
pid_t supervisor_start(const struct supervisor_file *file, const struct caller *caller, bool command_line, int socket,
		  const int output[2]);

/* `tare` without a box: becomes the command line. */
_Noreturn void supervisor_become(const struct supervisor_file *file, const struct caller *caller);

/* The environment of whatever the job must not steer: the supervisor and the engine. */
extern char *const clean_environment[];
