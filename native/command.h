/* What is executed and how, as the supervisor says it in a launch: the only payload, or one of several applications. */
#pragma once

#include "caller.h"
#include "list.h"

#include <stdbool.h>
#include <sys/resource.h>

struct command {
	char *name; /* NULL: the only one */
	struct list argv, environment;
	struct list changes; /* to the caller's environment, as they came, with their keys */
	struct list joins; /* files of groups that its process joins, by writing 0 */
	struct list swaps, kept; /* its own view: source and destination in turn */
	char *hidden; /* NULL: none */
	char *directory; /* NULL: the caller's */
	struct rlimit limits[RLIM_NLIMITS];
	bool input, prefixed, service;
	bool no_new_privs;
	char *filter; /* on system calls, as filter_load() takes it; NULL: none */
	bool holds; /* nothing is executed: others join the box */
	struct list guest; /* keys and values, as guest_load() takes them */
	char *files[3]; /* for descriptors 1 and 2; NULL: none */
};

/* One string of a launch, whose key is a command's and whose text is valid. False: it is none, or cannot be taken. */
bool command_take(struct command *command, const char *string, const struct caller *caller);

/* A command of that name which begins with what is common to all. The name stands before every line of the application's: false
 * when it is none. */
bool command_begin(struct command *command, const char *name, const struct command *common);

/* After the last string: its environment, from the caller's and the changes, of which KEY_EMPTY_ENVIRONMENT may stand anywhere. The
 * change that cannot be made, or NULL. */
const char *command_make_environment(struct command *command, const struct caller *caller);

/* Its first string for guest_load() whose key is one of these; NULL: none. */
const char *command_guest_key(const struct command *command, const char *keys);

void command_free(struct command *command);
