/* See command.h. */
#include "command.h"
#include "filter.h"
#include "generated/protocol.h"
#include "guest.h"
#include "limits.h"
#include "util.h"
#include "variables.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 200 };

/* `@N`: the caller's argv from N on. */
static bool add_argument(struct command *command, const char *text, const struct caller *caller)
{
	long from;

	if (text[0] != '@' || !parse_number(text + 1, 0, 1L << 30, &from)) {
		list_add(&command->argv, text);
		return true;
	}
	if (from > caller->argc)
		return false;
	for (long i = from; i < caller->argc; i++)
		list_add(&command->argv, caller->argv[i]);
	return true;
}

/* Tried here, so that what cannot be taken fails the launch. */
static bool add_guest_key(struct command *command, const char *string)
{
	struct guest trial = { .host = -1 };
	bool good = guest_load(&trial, string[0], string + 1);

	free(trial.identity.groups);
	free(trial.masked);
	free(trial.read_only);
	free(trial.writable);
	list_add(&command->guest, string);
	return good;
}

/* The list that a key adds to; NULL: it is no such key. */
static struct list *list_of_key(struct command *command, char key)
{
	switch (key) {
	case KEY_GROUP:
		return &command->joins;
	case KEY_ARGUMENT:
		return &command->argv;
	case KEY_SWAP:
		return &command->swaps;
	case KEY_KEPT:
		return &command->kept;
	default:
		return NULL;
	}
}

/* What a key without text sets; NULL: it is no such key. */
static bool *flag_of_command_key(struct command *command, char key)
{
	switch (key) {
	case KEY_NO_NEW_PRIVILEGES:
		return &command->no_new_privs;
	case KEY_HOLD:
		return &command->holds;
	case KEY_SERVICE:
		return &command->service;
	case KEY_INPUT:
		return &command->input;
	default:
		return NULL;
	}
}

bool command_take(struct command *command, const char *string, const struct caller *caller)
{
	struct list *list = list_of_key(command, string[0]);
	bool *flag = flag_of_command_key(command, string[0]);
	const char *rest = string + 1;

	if (list) {
		list_add(list, rest);
		return true;
	}
	if (flag) {
		*flag = true;
		return true;
	}
	switch (string[0]) {
	case KEY_CALLER_ARGUMENTS:
		return add_argument(command, rest, caller);
	case KEY_WORK_DIRECTORY:
		text_replace(&command->directory, rest);
		return true;
	case KEY_LIMIT:
		return limit_parse(command->limits, rest, caller->limits);
	case KEY_HIDDEN:
		text_replace(&command->hidden, rest);
		return true;
	case KEY_EMPTY_ENVIRONMENT:
	case KEY_VARIABLE:
	case KEY_NO_VARIABLE: /* see command_make_environment */
		list_add(&command->changes, string);
		return true;
	case KEY_FILTER:
		text_replace(&command->filter, rest);
		return filter_valid(rest);
	case KEY_PAYLOAD_IDENTITY:
	case KEY_USER_NAMESPACE:
	case KEY_CAPABILITIES:
	case KEY_FIRST_PROCESS:
	case KEY_OWN_GROUPS:
	case KEY_GROUPS_MOUNT:
	case KEY_MASKED:
	case KEY_READ_ONLY:
	case KEY_GUEST_OF:
	case KEY_WRITABLE_AGAIN:
		return add_guest_key(command, string);
	case KEY_PREFIX_OUTPUT:
		command->prefixed = true;
		return true;
	case KEY_OUTPUT_FILE:
	case KEY_ERROR_FILE:
		text_replace(&command->files[string[0] == KEY_OUTPUT_FILE ? 1 : 2], rest);
		return true;
	default:
		return false;
	}
}

static bool is_name(const char *name)
{
	size_t length = strlen(name);

	for (const char *at = name; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 127)
			return false;
	return length > 0 && length <= NAME_BYTES;
}

bool command_begin(struct command *command, const char *name, const struct command *common)
{
	if (!is_name(name))
		return false;
	*command = *common;
	command->name = command->directory = command->filter = NULL;
	text_replace(&command->name, name);
	if (common->directory)
		text_replace(&command->directory, common->directory);
	if (common->filter)
		text_replace(&command->filter, common->filter);
	command->changes = list_copy(&common->changes);
	command->guest = (struct list){ NULL, 0 };
	return true;
}

/* Applies one change. False: it is malformed. */
static bool change_environment(struct list *environment, const char *change)
{
	switch (change[0]) {
	case KEY_VARIABLE:
		return variable_set(environment, change + 1);
	case KEY_NO_VARIABLE:
		return variable_unset(environment, change + 1);
	default: /* KEY_EMPTY_ENVIRONMENT: see command_make_environment */
		return true;
	}
}

const char *command_make_environment(struct command *command, const struct caller *caller)
{
	bool from_nothing = false;

	for (size_t i = 0; i < command->changes.count; i++)
		from_nothing = from_nothing || command->changes.items[i][0] == KEY_EMPTY_ENVIRONMENT;
	for (char **entry = caller->environment; !from_nothing && *entry; entry++)
		list_add(&command->environment, *entry);
	for (size_t i = 0; i < command->changes.count; i++)
		if (!change_environment(&command->environment, command->changes.items[i]))
			return command->changes.items[i];
	return NULL;
}

const char *command_guest_key(const struct command *command, const char *keys)
{
	for (size_t i = 0; i < command->guest.count; i++)
		if (strchr(keys, command->guest.items[i][0]))
			return command->guest.items[i];
	return NULL;
}

void command_free(struct command *command)
{
	free(command->name);
	list_free(&command->argv);
	list_free(&command->environment);
	list_free(&command->changes);
	list_free(&command->joins);
	list_free(&command->swaps);
	list_free(&command->kept);
	list_free(&command->guest);
	free(command->hidden);
	free(command->directory);
	free(command->filter);
	free(command->files[1]);
	free(command->files[2]);
}
