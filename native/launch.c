/* `L`, the brain's order, made into something that enter and init can follow without asking. Nothing in it is
 * ignored: what is not understood fails the launch. */
#include "launch.h"
#include "filter.h"
#include "guest.h"
#include "landlock.h"
#include "parts.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { COMMANDS_MAX = 1024, NAME_BYTES = 200 };

static void list_add(struct list *list, const char *item)
{
	/* full at every power of two, the terminating NULL counted */
	size_t needed = list->count + 2;

	if (!list->count || (needed & (needed - 1)) == 0)
		list->items = xrealloc(list->items, 2 * needed * sizeof *list->items);
	list->items[list->count++] = xmemdup(item, strlen(item) + 1);
	list->items[list->count] = NULL;
}

static void list_remove(struct list *list, size_t index)
{
	free(list->items[index]);
	memmove(list->items + index, list->items + index + 1, (list->count - index) * sizeof *list->items);
	list->count--;
}

static void list_free(struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
}

static struct list list_copy(const struct list *list)
{
	struct list copy = { NULL, 0 };

	for (size_t i = 0; i < list->count; i++)
		list_add(&copy, list->items[i]);
	return copy;
}

static void replace(char **text, const char *fresh)
{
	free(*text);
	*text = xmemdup(fresh, strlen(fresh) + 1);
}

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

static bool same_name(const char *entry, const char *name, size_t length)
{
	return !strncmp(entry, name, length) && entry[length] == '=';
}

static bool unset_variable(struct list *environment, const char *name, size_t length)
{
	if (!length || memchr(name, '=', length))
		return false;
	for (size_t i = environment->count; i-- > 0;)
		if (same_name(environment->items[i], name, length))
			list_remove(environment, i);
	return true;
}

/* Keeps the variable's place: some programs care about the order. */
static bool set_variable(struct list *environment, const char *entry)
{
	const char *equals = strchr(entry, '=');
	bool placed = false;

	if (!equals || equals == entry)
		return false;
	for (size_t i = 0; i < environment->count; i++) {
		if (!same_name(environment->items[i], entry, (size_t)(equals - entry)))
			continue;
		if (placed)
			list_remove(environment, i--);
		else
			replace(&environment->items[i], entry);
		placed = true;
	}
	if (!placed)
		list_add(environment, entry);
	return true;
}

static bool parse_limit_value(const char *text, rlim_t *value)
{
	long number;

	if (!strcmp(text, "unlimited"))
		*value = RLIM_INFINITY;
	else if (parse_number(text, 0, __LONG_MAX__, &number))
		*value = (rlim_t)number;
	else
		return false;
	return true;
}

static int limit_by_name(const char *name)
{
	static const char *const names[RLIM_NLIMITS] = {
		[RLIMIT_AS] = "as",
		[RLIMIT_CORE] = "core",
		[RLIMIT_CPU] = "cpu",
		[RLIMIT_DATA] = "data",
		[RLIMIT_FSIZE] = "fsize",
		[RLIMIT_LOCKS] = "locks",
		[RLIMIT_MEMLOCK] = "memlock",
		[RLIMIT_MSGQUEUE] = "msgqueue",
		[RLIMIT_NICE] = "nice",
		[RLIMIT_NOFILE] = "nofile",
		[RLIMIT_NPROC] = "nproc",
		[RLIMIT_RSS] = "rss",
		[RLIMIT_RTPRIO] = "rtprio",
		[RLIMIT_RTTIME] = "rttime",
		[RLIMIT_SIGPENDING] = "sigpending",
		[RLIMIT_STACK] = "stack",
	};

	for (int i = 0; i < (int)RLIM_NLIMITS; i++)
		if (names[i] && !strcmp(names[i], name))
			return i;
	return -1;
}

static rlim_t lower_of(rlim_t a, rlim_t b)
{
	return a < b ? a : b; /* RLIM_INFINITY is the highest rlim_t */
}

/* `NAME soft hard`. The brain may ask for more than the caller allows; it gets what the caller allows. */
static bool parse_limit(struct command *command, const char *text, const struct caller *caller)
{
	char name[16], soft[32], hard[32], more;
	struct rlimit limit;

	if (sscanf(text, "%15s %31s %31s %c", name, soft, hard, &more) != 3)
		return false;
	int which = limit_by_name(name);
	if (which < 0 || !parse_limit_value(soft, &limit.rlim_cur) || !parse_limit_value(hard, &limit.rlim_max))
		return false;
	limit.rlim_max = lower_of(limit.rlim_max, caller->limits[which].rlim_max);
	limit.rlim_cur = lower_of(limit.rlim_cur, limit.rlim_max);
	command->limits[which] = limit;
	return true;
}

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
	long number;

	switch (string[0]) {
	case 'E':
		list_add(&launch->engine, rest);
		return true;
	case 'J':
		list_add(&launch->joins, rest);
		return true;
	case 'M':
	case 'm':
		return view_add(&launch->view, string[0], rest);
	case 'U':
		return identity_parse(&launch->identity, rest);
	case 'O':
		replace(&launch->oom_score_adj, rest);
		return parse_number(rest, -1000, 1000, &number);
	case 'l':
		replace(&launch->rights, rest);
		return landlock_rights(rest, &rights);
	case 'L':
		list_add(&launch->writable, rest);
		return rest[0] == '/';
	case 'C':
		launch->has_cpus = true;
		return parse_cpus(&launch->cpus, rest);
	case 'p':
		replace(&launch->pause, rest);
		return true;
	case 'T':
		replace(&launch->parts, rest);
		return parts_valid(rest);
	default:
		return false;
	}
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

static bool parse_command_key(struct command *command, const char *string, const struct caller *caller)
{
	const char *rest = string + 1;

	switch (string[0]) {
	case 'j':
		list_add(&command->joins, rest);
		return true;
	case 'a':
		return add_argument(command, rest, caller);
	case 'v':
		list_add(&command->argv, rest);
		return true;
	case 'd':
		replace(&command->directory, rest);
		return true;
	case 'r':
		return parse_limit(command, rest, caller);
	case 'w':
		list_add(&command->swaps, rest);
		return true;
	case 'k':
		list_add(&command->kept, rest);
		return true;
	case 'h':
		replace(&command->hidden, rest);
		return true;
	case '0':
	case 'e':
	case 'u': /* see make_environment */
		list_add(&command->changes, string);
		return true;
	case 'n':
		command->no_new_privs = true;
		return !*rest;
	case 'f':
		replace(&command->filter, rest);
		return filter_valid(rest);
	case 'H':
		command->holds = true;
		return !*rest;
	case 'q':
	case 'x':
	case 'c':
	case 'P':
	case 'b':
	case 'g':
	case 'y':
	case 'z':
	case 'Q':
	case 'R':
		return add_guest_key(command, string);
	case 'S':
		command->service = true;
		return !*rest;
	case 'I':
		command->input = true;
		return !*rest;
	case 'o':
		command->prefixed = true;
		return !strcmp(rest, "prefix");
	case '1':
	case '2':
		replace(&command->files[string[0] - '0'], rest);
		return *rest;
	default:
		return false;
	}
}

/* It stands before every line of the application's. */
static bool is_name(const char *name)
{
	size_t length = strlen(name);

	for (const char *at = name; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 127)
			return false;
	return length > 0 && length <= NAME_BYTES;
}

/* `N`: another application, which begins with what is common to all. */
static bool add_command(struct launch *launch, const char *name, const struct command *common)
{
	if (!is_name(name) || launch->command_count == COMMANDS_MAX)
		return false;
	launch->commands = xrealloc(launch->commands, (launch->command_count + 1) * sizeof *launch->commands);
	struct command *command = &launch->commands[launch->command_count++];
	*command = *common;
	command->name = command->directory = command->filter = NULL;
	replace(&command->name, name);
	if (common->directory)
		replace(&command->directory, common->directory);
	if (common->filter)
		replace(&command->filter, common->filter);
	command->changes = list_copy(&common->changes);
	command->guest = (struct list){ NULL, 0 };
	return true;
}

static bool change_environment(struct list *environment, const char *change)
{
	switch (change[0]) {
	case 'e':
		return set_variable(environment, change + 1);
	case 'u':
		return unset_variable(environment, change + 1, strlen(change + 1));
	default: /* `0`: see make_environment */
		return !change[1];
	}
}

/* After the rest, so that `0` may stand anywhere. The change that cannot be made, or NULL. */
static const char *make_environment(struct command *command, const struct caller *caller)
{
	bool from_nothing = false;

	for (size_t i = 0; i < command->changes.count; i++)
		from_nothing = from_nothing || command->changes.items[i][0] == '0';
	for (char **entry = caller->environment; !from_nothing && *entry; entry++)
		list_add(&command->environment, *entry);
	for (size_t i = 0; i < command->changes.count; i++)
		if (!change_environment(&command->environment, command->changes.items[i]))
			return command->changes.items[i];
	return NULL;
}

static void command_free(struct command *command)
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

static const char *guest_key(const struct command *command, const char *keys)
{
	for (size_t i = 0; i < command->guest.count; i++)
		if (strchr(keys, command->guest.items[i][0]))
			return command->guest.items[i];
	return NULL;
}

/* What is of a system without process 1, or a guest of none: the string, or NULL. */
static const char *wrong_guest(const struct launch *launch, const struct command *command)
{
	const char *host = guest_key(command, "Q");
	long index;

	if (!guest_key(command, "P") && guest_key(command, "bgyz"))
		return guest_key(command, "bgyz");
	if (host && (guest_key(command, "P") || !parse_number(host + 1, 0, (long)launch->command_count - 1, &index) ||
		     !guest_key(&launch->commands[index], "P")))
		return host;
	return NULL;
}

static bool has_several(struct frame frame)
{
	const char *string;

	while ((string = frame_string(&frame)))
		if (string[0] == 'N')
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
		const char *allowed = !launch->several ? "javdr0euwkhnfqxcH" : command == common ? "dr0eunf" : "javdr0euwkhIo12nfqxcPbgyzQRS";
		if (string[0] == 'N' ? !add_command(launch, string + 1, common) :
		    string[0] && strchr(allowed, string[0]) ? !parse_command_key(command, string, caller) :
							      !parse_box_key(launch, string))
			return string;
		if (string[0] == 'I' && has_input)
			return string;
		has_input = has_input || string[0] == 'I';
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
		if ((bad = wrong_guest(launch, command)) || (bad = make_environment(command, caller)))
			return xprintf("launch: cannot take '%.200s'", bad);
	}
	if (launch->writable.count && !launch->rights)
		return xprintf("launch: '%.200s' is writable, and nothing says what needs permission", launch->writable.items[0]);
	return view_wrong(&launch->view);
}

bool launch_is_plain(const struct launch *launch)
{
	return !launch->several && !launch->engine.count && !launch->joins.count &&
	       !launch->commands[0].joins.count && !launch->has_cpus && !launch->oom_score_adj && !launch->rights &&
	       !launch->commands[0].no_new_privs && !launch->commands[0].filter && !launch->commands[0].guest.count && !launch->pause && !launch->parts && !launch->view.count &&
	       !launch->commands[0].swaps.count && !launch->commands[0].holds;
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
	free(launch->rights);
	list_free(&launch->writable);
	free(launch->pause);
	free(launch->parts);
	memset(launch, 0, sizeof *launch);
}

static void write_key(FILE *file, char key, const char *text)
{
	fputc(key, file);
	fwrite(text, 1, strlen(text) + 1, file);
}

static void write_specification(FILE *file, const struct launch *launch, const struct command *command,
				const struct caller *caller)
{
	/* The engine has changed the directory. Without one it is still the caller's, path or no path. */
	const char *directory = command->directory ? command->directory : launch->engine.count ? caller->cwd : "";

	for (size_t i = 0; i < command->argv.count; i++)
		write_key(file, 'a', command->argv.items[i]);
	for (size_t i = 0; i < command->environment.count; i++)
		write_key(file, 'e', command->environment.items[i]);
	for (int i = 0; i < (int)RLIM_NLIMITS; i++)
		fprintf(file, "r%d %llu %llu%c", i, (unsigned long long)command->limits[i].rlim_cur,
			(unsigned long long)command->limits[i].rlim_max, 0);
	fprintf(file, "m%llx%c", (unsigned long long)caller->mask, 0);
	fprintf(file, "i%llx%c", (unsigned long long)caller->ignored, 0);
	fprintf(file, "u%o%c", (unsigned)caller->umask, 0);
	if (*directory)
		write_key(file, 'd', directory);
	if (launch->oom_score_adj)
		write_key(file, 'O', launch->oom_score_adj);
	if (launch->rights)
		write_key(file, 'l', launch->rights);
	for (size_t i = 0; i < launch->writable.count; i++)
		write_key(file, 'L', launch->writable.items[i]);
	if (command->no_new_privs)
		write_key(file, 'n', "");
	if (command->filter)
		write_key(file, 'f', command->filter);
	if (command->holds)
		write_key(file, 'H', "");
	for (size_t i = 0; i < command->guest.count; i++)
		write_key(file, command->guest.items[i][0], command->guest.items[i] + 1);
	if (command->service)
		write_key(file, 'S', "");
	for (size_t i = 0; i < command->swaps.count; i++)
		write_key(file, 'w', command->swaps.items[i]);
	for (size_t i = 0; i < command->kept.count; i++)
		write_key(file, 'k', command->kept.items[i]);
	if (command->hidden)
		write_key(file, 'h', command->hidden);
	if (launch->pause)
		write_key(file, 'p', launch->pause);
	if (caller_at_terminal(caller, 0) && (!command->name || command->input))
		write_key(file, 't', "");
	if (command->name)
		write_key(file, 'N', command->name);
	if (command->input)
		write_key(file, 'I', "");
	if (command->prefixed)
		write_key(file, 'o', "");
	for (int fd = 1; fd <= 2; fd++)
		if (command->files[fd])
			write_key(file, (char)('0' + fd), command->files[fd]);
}

int launch_specification(const struct launch *launch, const struct command *command, const struct caller *caller)
{
	int fd = above_standard(memfd_create("tare-payload", MFD_CLOEXEC));
	FILE *file = fd < 0 ? NULL : fdopen(dup(fd), "w");

	if (!file) {
		close_kept(fd);
		return -1;
	}
	write_specification(file, launch, command, caller);
	bool failed = ferror(file);
	if (fclose(file) || failed) {
		int error = errno ? errno : EIO;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}
