/* Which brain, and starting one. */
#ifndef TARE_BRAIN_H
#define TARE_BRAIN_H

#include "caller.h"

#include <stdbool.h>
#include <sys/types.h>

/* The file `tare.brain` beside the executable. */
struct brain_file {
	char *interpreter; /* an absolute path */
	char *wrap, *command_line; /* scripts; NULL when the interpreter is the program itself */
};

/* Reads it. NULL, or what is wrong, which the caller frees. */
char *brain_locate(struct brain_file *file);

/* Starts a brain on `socket`, `output` its descriptors 1 and 2 (-1: /dev/null). A brain that cannot be executed sends the one frame `!`:
 * errno, path. -1 with errno. */
pid_t brain_start(const struct brain_file *file, const struct caller *caller, bool command_line, int socket,
		  const int output[2]);

/* `tare` without a box: becomes the command line. */
_Noreturn void brain_become(const struct brain_file *file, const struct caller *caller);

/* The environment of whatever the job must not steer: the brain and the engine. */
extern char *const clean_environment[];

#endif
