/* `L`, the brain's order, made into something that enter and init can follow without asking. Nothing in it is
 * ignored: what is not understood fails the launch. */
#include "launch.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

static void replace(char **text, const char *fresh)
{
	free(*text);
	*text = xmemdup(fresh, strlen(fresh) + 1);
}

/* `@N`: the caller's argv from N on. */
static bool add_argument(struct launch *launch, const char *text, const struct caller *caller)
{
	long from;

	if (text[0] != '@' || !parse_number(text + 1, 0, 1L << 30, &from)) {
		list_add(&launch->argv, text);
		return true;
	}
	if (from > caller->argc)
		return false;
	for (long i = from; i < caller->argc; i++)
		list_add(&launch->argv, caller->argv[i]);
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
static bool parse_limit(struct launch *launch, const char *text, const struct caller *caller)
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
	launch->limits[which] = limit;
	return true;
}

/* `uid gid group,group,…`; the groups may be none. */
static bool parse_identity(struct identity *identity, const char *text)
{
	char copy[65536], *rest = copy, *word;
	long number;

	if (strlen(text) >= sizeof copy)
		return false;
	strcpy(copy, text);
	word = strsep(&rest, " ");
	if (!parse_number(word, 0, 0xfffffffeL, &number) || !rest)
		return false;
	identity->uid = (uid_t)number;
	word = strsep(&rest, " ");
	if (!parse_number(word, 0, 0xfffffffeL, &number))
		return false;
	identity->gid = (gid_t)number;
	identity->group_count = 0;
	while (rest && *rest) {
		word = strsep(&rest, ",");
		if (!parse_number(word, 0, 0xfffffffeL, &number))
			return false;
		identity->groups = xrealloc(identity->groups, (identity->group_count + 1) * sizeof(gid_t));
		identity->groups[identity->group_count++] = (gid_t)number;
	}
	identity->wanted = true;
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

static bool parse_key(struct launch *launch, const char *string, const struct caller *caller)
{
	const char *rest = string + 1;
	long number;

	switch (string[0]) {
	case 'E':
		list_add(&launch->engine, rest);
		return true;
	case 'J':
		list_add(&launch->joins, rest);
		return true;
	case 'j':
		list_add(&launch->payload_joins, rest);
		return true;
	case 'M':
	case 'm':
		return view_add(&launch->view, string[0], rest);
	case 'w':
		list_add(&launch->swaps, rest);
		return true;
	case 'k':
		list_add(&launch->kept, rest);
		return true;
	case 'h':
		replace(&launch->hidden, rest);
		return true;
	case 'U':
		return parse_identity(&launch->identity, rest);
	case 'O':
		replace(&launch->oom_score_adj, rest);
		return parse_number(rest, -1000, 1000, &number);
	case 'C':
		launch->has_cpus = true;
		return parse_cpus(&launch->cpus, rest);
	case 'a':
		return add_argument(launch, rest, caller);
	case 'v':
		list_add(&launch->argv, rest);
		return true;
	case 'd':
		replace(&launch->directory, rest);
		return true;
	case 'r':
		return parse_limit(launch, rest, caller);
	case 'n':
		launch->no_new_privs = true;
		return !*rest;
	case 'p':
		replace(&launch->pause, rest);
		return true;
	case '0':
	case 'e':
	case 'u': /* see parse_environment */
		return true;
	default:
		return false;
	}
}

/* After the rest, so that `0` may stand anywhere. */
static bool parse_environment(struct launch *launch, const char *string)
{
	switch (string[0]) {
	case 'e':
		return set_variable(&launch->environment, string + 1);
	case 'u':
		return unset_variable(&launch->environment, string + 1, strlen(string + 1));
	case '0':
		return !string[1];
	default:
		return true;
	}
}

char *launch_parse(struct launch *launch, struct frame *frame, const struct caller *caller)
{
	struct frame again = *frame;
	bool from_nothing = false;
	const char *string;

	memset(launch, 0, sizeof *launch);
	memcpy(launch->limits, caller->limits, sizeof launch->limits);
	while ((string = frame_string(frame))) {
		if (!parse_key(launch, string, caller))
			return xprintf("launch: cannot take '%.200s'", string);
		from_nothing = from_nothing || string[0] == '0';
	}
	if (!launch->argv.count)
		return xprintf("launch: the payload has no argv");
	if (launch->swaps.count % 2)
		return xprintf("launch: a view without a destination");
	char *wrong = view_wrong(&launch->view);
	if (wrong)
		return wrong;
	for (char **entry = caller->environment; !from_nothing && *entry; entry++)
		list_add(&launch->environment, *entry);
	while ((string = frame_string(&again)))
		if (!parse_environment(launch, string))
			return xprintf("launch: cannot take '%.200s'", string);
	return NULL;
}

bool launch_is_plain(const struct launch *launch)
{
	return !launch->engine.count && !launch->joins.count && !launch->payload_joins.count &&
	       !launch->view.count && !launch->swaps.count &&
	       !launch->has_cpus && !launch->oom_score_adj && !launch->no_new_privs &&
	       !launch->pause;
}

void launch_free(struct launch *launch)
{
	list_free(&launch->engine);
	list_free(&launch->joins);
	list_free(&launch->payload_joins);
	list_free(&launch->argv);
	list_free(&launch->environment);
	list_free(&launch->swaps);
	list_free(&launch->kept);
	view_free(&launch->view);
	free(launch->hidden);
	free(launch->identity.groups);
	free(launch->directory);
	free(launch->oom_score_adj);
	free(launch->pause);
	memset(launch, 0, sizeof *launch);
}

static void write_key(FILE *file, char key, const char *text)
{
	fputc(key, file);
	fwrite(text, 1, strlen(text) + 1, file);
}

static void write_specification(FILE *file, const struct launch *launch, const struct caller *caller)
{
	/* The engine has changed the directory. Without one it is still the caller's, path or no path. */
	const char *directory = launch->directory ? launch->directory : launch->engine.count ? caller->cwd : "";

	for (size_t i = 0; i < launch->argv.count; i++)
		write_key(file, 'a', launch->argv.items[i]);
	for (size_t i = 0; i < launch->environment.count; i++)
		write_key(file, 'e', launch->environment.items[i]);
	for (int i = 0; i < (int)RLIM_NLIMITS; i++)
		fprintf(file, "r%d %llu %llu%c", i, (unsigned long long)launch->limits[i].rlim_cur,
			(unsigned long long)launch->limits[i].rlim_max, 0);
	fprintf(file, "m%llx%c", (unsigned long long)caller->mask, 0);
	fprintf(file, "i%llx%c", (unsigned long long)caller->ignored, 0);
	fprintf(file, "u%o%c", (unsigned)caller->umask, 0);
	if (*directory)
		write_key(file, 'd', directory);
	if (launch->oom_score_adj)
		write_key(file, 'O', launch->oom_score_adj);
	if (launch->no_new_privs)
		write_key(file, 'n', "");
	for (size_t i = 0; i < launch->swaps.count; i++)
		write_key(file, 'w', launch->swaps.items[i]);
	for (size_t i = 0; i < launch->kept.count; i++)
		write_key(file, 'k', launch->kept.items[i]);
	if (launch->hidden)
		write_key(file, 'h', launch->hidden);
	if (launch->pause)
		write_key(file, 'p', launch->pause);
	if (caller->terminal >= 0)
		write_key(file, 't', "");
}

int launch_specification(const struct launch *launch, const struct caller *caller)
{
	int fd = above_standard(memfd_create("tare-payload", MFD_CLOEXEC));
	FILE *file = fd < 0 ? NULL : fdopen(dup(fd), "w");

	if (!file) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	write_specification(file, launch, caller);
	bool failed = ferror(file);
	if (fclose(file) || failed) {
		int error = errno ? errno : EIO;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}
