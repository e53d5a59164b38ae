/* What the brain asked for with `L`. */
#ifndef TARE_LAUNCH_H
#define TARE_LAUNCH_H

#include "caller.h"
#include "frame.h"
#include "identity.h"
#include "view.h"

#include <sched.h>
#include <stdbool.h>

struct list {
	char **items; /* NULL-terminated once it has an item */
	size_t count;
};

/* What is executed and how: the only payload, or one of several applications. */
struct command {
	char *name; /* NULL: the only one */
	struct list argv, environment;
	struct list changes; /* to the caller's environment, as they came: `e u 0` */
	struct list joins; /* cgroup.procs files for its process */
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

struct launch {
	struct list engine; /* argv; empty: no engine */
	struct list joins; /* cgroup.procs files for enter */
	struct view view; /* what enter mounts */
	struct identity identity;
	bool has_cpus;
	cpu_set_t cpus;
	char *oom_score_adj; /* NULL: untouched */
	char *rights; /* of the wall, as landlock_rights() takes them; NULL: none */
	struct list writable; /* what is before it */
	char *pause; /* NULL: none */
	char *parts; /* where wrappers in the box tell of themselves, see parts.h; NULL: nowhere */
	bool several; /* applications, each with a name */
	struct command *commands;
	size_t command_count; /* one unless several */
};

/* Reads an `L` frame. NULL when it is good, else what is wrong with it. Both are the caller's to free. */
char *launch_parse(struct launch *launch, struct frame *frame, const struct caller *caller);
/* Whether it asks for nothing that only a box can give. */
bool launch_is_plain(const struct launch *launch);
void launch_free(struct launch *launch);

/* What init needs to know of one command, as a memfd for payload_load(). -1, with errno. */
int launch_specification(const struct launch *launch, const struct command *command, const struct caller *caller);

#endif
