/* What the supervisor asked for with `launch`. */
#pragma once

#include "caller.h"
#include "command.h"
#include "frame.h"
#include "identity.h"
#include "list.h"
#include "view.h"

#include <sched.h>
#include <stdbool.h>

struct launch {
	struct list engine; /* argv; empty: no engine */
	struct list joins; /* files of groups that enter joins, by writing 0 */
	struct view view; /* what enter mounts */
	struct identity identity;
	bool has_cpus;
	cpu_set_t cpus;
	char *oom_score_adj; /* NULL: untouched */
	char *nice; /* as nice_raise() takes it; NULL: untouched */
	char *rights; /* of the wall, as landlock_rights() takes them; NULL: none */
	struct list writable; /* what is before it */
	char *scopes; /* of the wall, in the same form; NULL: none */
	char *pause; /* NULL: none */
	char *parts; /* where wrappers in the box tell of themselves, see parts.h; NULL: nowhere */
	bool several; /* applications, each with a name */
	struct command *commands;
	size_t command_count; /* one unless several */
};

/* Reads the keys of a launch. NULL when it is good, else what is wrong with it. Both are the caller's to free. */
char *launch_parse(struct launch *launch, struct frame *frame, const struct caller *caller);
/* Whether it asks for nothing that only a box can give. */
bool launch_is_plain(const struct launch *launch);
/* Whether the single payload is process 1 of a PID namespace of its own. */
bool launch_has_first(const struct launch *launch);
/* Frees all that launch_parse() has made, also of a launch that is wrong. */
void launch_free(struct launch *launch);
