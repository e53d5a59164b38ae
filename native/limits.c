/* See limits.h. */
#include "limits.h"
#include "util.h"

#include <stdio.h>
#include <string.h>

/* Parses a number or `unlimited`. */
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

/* -1: there is none of that name. */
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

bool limit_parse(struct rlimit limits[RLIM_NLIMITS], const char *text, const struct rlimit most[RLIM_NLIMITS])
{
	char name[16], soft[32], hard[32], more;
	struct rlimit limit;

	if (sscanf(text, "%15s %31s %31s %c", name, soft, hard, &more) != 3)
		return false;
	int which = limit_by_name(name);
	if (which < 0 || !parse_limit_value(soft, &limit.rlim_cur) || !parse_limit_value(hard, &limit.rlim_max))
		return false;
	limit.rlim_max = lower_of(limit.rlim_max, most[which].rlim_max);
	limit.rlim_cur = lower_of(limit.rlim_cur, limit.rlim_max);
	limits[which] = limit;
	return true;
}
