/* The supervisor's order to launch, made into something that enter and init can follow without asking. Nothing in it is
 * ignored: what is not understood fails the launch. */
#include "launch.h"
#include "generated/protocol.h"
#include "landlock.h"
#include "parts.h"
#include "util.h"

#include <stdlib.h>
#include <string.h>

enum { COMMANDS_MAX = 1024 };

static const char first_process[] = { KEY_FIRST_PROCESS, 0 }, guest_of[] = { KEY_GUEST_OF, 0 };

/* `0-1,4` */
static bool parse_cpus(cpu_set_t *cpus, const char *text)
{
	char copy[4096], *rest = copy;

	if (!*text || strlen(text) >= sizeof copy)
		return false;
	strcpy(copy, text);
	CPU_ZERO(cpus);
	while (rest) {
		char *last_text = strsep(&rest, ","), *first_text = strsep(&last_text, "-");
		long first, last;
		if (!parse_number(first_text, 0, CPU_SETSIZE - 1, &first))
			return false;
		last = first;
		if (last_text && !parse_number(last_text, first, CPU_SETSIZE - 1, &last))
			return false;
		for (; first <= last; first++)
			CPU_SET((size_t)first, cpus);
	}
	return true;
}

/* What is of the box, wherever it stands. */
static bool parse_box_key(struct launch *launch, const char *string)
{
	const char *rest = string + 1;
	unsigned long long rights;

	switch (string[0]) {
	case KEY_ENGINE_ARGUMENT:
		list_add(&launch->engine, rest);
		return true;
	case KEY_ENGINE_GROUP:
		list_add(&launch->joins, rest);
		return true;
	case KEY_VIEW:
	case KEY_VIEW_ARGUMENT:
		return view_add(&launch->view, string[0] == KEY_VIEW, rest);
	case KEY_IDENTITY:
		return identity_parse(&launch->identity, rest);
	case KEY_OOM_SCORE:
		text_replace(&launch->oom_score_adj, rest);
		return true;
	case KEY_NICE:
		text_replace(&launch->nice, rest);
		return true;
	case KEY_LANDLOCK:
		text_replace(&launch->rights, rest);
		return landlock_rights(rest, &rights);
	case KEY_WRITABLE:
		list_add(&launch->writable, rest);
		return true;
	case KEY_SCOPED:
		text_replace(&launch->scopes, rest);
		return landlock_rights(rest, &rights);
	case KEY_CPUS:
		launch->has_cpus = true;
		return parse_cpus(&launch->cpus, rest);
	case KEY_PAUSE:
		text_replace(&launch->pause, rest);
		return true;
	case KEY_PARTS:
		text_replace(&launch->parts, rest);
		return parts_valid(rest);
	default:
		return false;
	}
}

/* Adds an application. False: there is no room, or the name is not valid. */
static bool add_command(struct launch *launch, const char *name, const struct command *common)
{
	if (launch->command_count == COMMANDS_MAX)
		return false;
	launch->commands = xrealloc(launch->commands, (launch->command_count + 1) * sizeof *launch->commands);
	if (!command_begin(&launch->commands[launch->command_count], name, common))
		return false;
	launch->command_count++;
	return true;
}

/* What is of a system without process 1, or a guest of none: the string, or NULL. */
static const char *wrong_guest(const struct launch *launch, const struct command *command)
{
	static const char of_first[] = { KEY_OWN_GROUPS, KEY_GROUPS_MOUNT, KEY_MASKED, KEY_READ_ONLY, 0 };
	const char *first = command_guest_key(command, first_process), *host = command_guest_key(command, guest_of);
	long index;

	if (!first && command_guest_key(command, of_first))
		return command_guest_key(command, of_first);
	if (host && (first || !parse_number(host + 1, 0, (long)launch->command_count - 1, &index) ||
		     !command_guest_key(&launch->commands[index], first_process)))
		return host;
	return NULL;
}

/* What the single payload cannot be beside process 1 of a PID namespace of its own: a word for it, or NULL. */
static const char *wrong_first(const struct launch *launch, const struct command *command)
{
	static const char identities[] = { KEY_PAYLOAD_IDENTITY, KEY_USER_NAMESPACE, 0 };

	if (!launch_has_first(launch))
		return NULL;
	if (command_guest_key(command, identities))
		return "an identity of its own";
	return command->swaps.count ? "a view of its own" : command->holds ? "held" : launch->rights ? "behind Landlock" : NULL;
}

/* Whether any string begins an application. */
static bool has_several(struct frame frame)
{
	const char *string;

	while ((string = frame_string(&frame)))
		if (string[0] == KEY_APPLICATION)
			return true;
	return false;
}

/* The string that cannot be taken, or NULL. */
static const char *parse_keys(struct launch *launch, struct frame *frame, struct command *common, const struct caller *caller)
{
	bool has_input = false;
	const char *string;

	while ((string = frame_string(frame))) {
		struct command *command = launch->command_count ? &launch->commands[launch->command_count - 1] : common;
		const char *allowed = !launch->several	? KEYS_OF_PAYLOAD :
				      command == common ? KEYS_OF_COMMON :
							  KEYS_OF_APPLICATION;
		if (!launch_key_valid(string[0], string + 1))
			return string;
		if (string[0] == KEY_APPLICATION	    ? !add_command(launch, string + 1, common) :
		    string[0] && strchr(allowed, string[0]) ? !command_take(command, string, caller) :
							      !parse_box_key(launch, string))
			return string;
		if (string[0] == KEY_INPUT && has_input)
			return string;
		has_input = has_input || string[0] == KEY_INPUT;
	}
	return NULL;
}

char *launch_parse(struct launch *launch, struct frame *frame, const struct caller *caller)
{
	struct command common;

	memset(launch, 0, sizeof *launch);
	memset(&common, 0, sizeof common);
	memcpy(common.limits, caller->limits, sizeof common.limits);
	launch->several = has_several(*frame);
	const char *bad = parse_keys(launch, frame, &common, caller);
	if (launch->several) {
		command_free(&common);
	} else {
		launch->commands = xmemdup(&common, sizeof common);
		launch->command_count = 1;
	}
	if (bad)
		return xprintf("launch: cannot take '%.200s'", bad);
	for (size_t i = 0; i < launch->command_count; i++) {
		struct command *command = &launch->commands[i];
		if (!command->argv.count)
			return xprintf("launch: %s has no argv", command->name ? command->name : "the payload");
		if (command->swaps.count % 2)
			return xprintf("launch: a view without a destination");
		if ((bad = wrong_guest(launch, command)) || (bad = command_make_environment(command, caller)))
			return xprintf("launch: cannot take '%.200s'", bad);
		if ((bad = wrong_first(launch, command)))
			return xprintf("launch: the payload cannot be both process 1 and %s", bad);
	}
	if (launch->writable.count && !launch->rights)
		return xprintf("launch: '%.200s' is writable, and nothing says what needs permission", launch->writable.items[0]);
	if (launch->scopes && !launch->rights)
		return xprintf("launch: '%.200s' is scoped, and nothing says what needs permission", launch->scopes);
	return view_wrong(&launch->view);
}

/* Whether the command asks for what only a box can give. */
static bool needs_box(const struct command *command)
{
	return command->joins.count || command->no_new_privs || command->filter || command->guest.count || command->swaps.count ||
	       command->holds;
}

bool launch_is_plain(const struct launch *launch)
{
	return !launch->several && !launch->engine.count && !launch->joins.count && !launch->has_cpus && !launch->oom_score_adj &&
	       !launch->nice && !launch->rights && !launch->pause && !launch->parts && !launch->view.count &&
	       !needs_box(&launch->commands[0]);
}

bool launch_has_first(const struct launch *launch)
{
	return !launch->several && launch->command_count && command_guest_key(&launch->commands[0], first_process);
}

void launch_free(struct launch *launch)
{
	list_free(&launch->engine);
	list_free(&launch->joins);
	view_free(&launch->view);
	free(launch->identity.groups);
	for (size_t i = 0; i < launch->command_count; i++)
		command_free(&launch->commands[i]);
	free(launch->commands);
	free(launch->oom_score_adj);
	free(launch->nice);
	free(launch->rights);
	free(launch->scopes);
	list_free(&launch->writable);
	free(launch->pause);
	free(launch->parts);
	memset(launch, 0, sizeof *launch);
}
