/* What the brain asked for with `L`. */
#ifndef TARE_LAUNCH_H
#define TARE_LAUNCH_H

#include "caller.h"
#include "frame.h"
#include "view.h"

#include <sched.h>
#include <stdbool.h>

struct list {
	char **items; /* NULL-terminated once it has an item */
	size_t count;
};

struct identity {
	bool wanted;
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t group_count;
};

struct launch {
	struct list engine; /* argv; empty: no engine */
	struct list joins; /* cgroup.procs files for enter */
	struct list payload_joins; /* and for the payload's process */
	struct view view; /* what enter mounts */
	struct list swaps, kept; /* the payload's own view: source and destination in turn */
	char *hidden; /* NULL: none */
	struct identity identity;
	bool has_cpus;
	cpu_set_t cpus;
	struct list argv, environment;
	char *directory; /* NULL: the caller's */
	char *oom_score_adj; /* NULL: untouched */
	bool no_new_privs;
	struct rlimit limits[RLIM_NLIMITS]; /* the payload's */
	char *pause; /* NULL: none */
};

/* Reads an `L` frame. NULL when it is good, else what is wrong with it. Both are the caller's to free. */
char *launch_parse(struct launch *launch, struct frame *frame, const struct caller *caller);
/* Whether it asks for nothing that only a box can give. */
bool launch_is_plain(const struct launch *launch);
void launch_free(struct launch *launch);

/* What init needs to know, as a memfd for payload_load(). -1, with errno. */
int launch_specification(const struct launch *launch, const struct caller *caller);

#endif
