/* What the caller gave this process, which the payload must get as with exec. */
#pragma once

#include "sig.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

struct caller {
	int argc;
	char **argv, **environment;
	char *cwd; /* empty when it has no path any more */
	mode_t umask;
	sigmask mask, ignored;
	struct rlimit limits[RLIM_NLIMITS];
	int *fds; /* open descriptors, ascending */
	size_t fd_count;
	long long started; /* CLOCK_MONOTONIC, µs: when the caller executed us, near enough */
	int input; /* a descriptor of a job that came on standard input, for the supervisor; -1: none */
	int terminal; /* a copy of the first descriptor that is a terminal, -1: none */
	int *terminals; /* those of `fds` that are this terminal */
	size_t terminal_count;
};

/* Takes note of everything, then makes this process fit to be the shim: all signals blocked and at their default,
 * the caller's descriptors close-on-exec, the limits that could hurt the wrapper raised. */
void caller_capture(struct caller *caller, int argc, char **argv, char **environment);

/* Whether that descriptor was the caller's terminal. */
bool caller_at_terminal(const struct caller *caller, int fd);

/* The hard limits within which a supervisor may not be able to start, in words; NULL when it has all that it wants. */
char *caller_cramped(const struct caller *caller);

/* Puts /dev/null in place of 0, 1 and 2 and closes the rest. */
void caller_release(struct caller *caller);

/* Undoes what an exec in this process would not: descriptors are handed on again. */
void caller_hand_on(const struct caller *caller);

/* The value of a variable in an environment, NULL when it is not there. */
const char *environment_get(char *const *environment, const char *name);
