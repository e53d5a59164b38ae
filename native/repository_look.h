/* A look at a repository of CVMFS, which can hang. */
#pragma once

#include "identity.h"

#include <sys/types.h>

/* Of whom the repository is looked at, and where. */
struct repository_question {
	const char *root, *name;
	long mounter; /* a process in whose mounts it is; 0: this one's */
	struct identity identity;
};

/* In a child: writes lines, each a key, a tab and a value, to `out`, and exits. What it does next it says before, so that whoever waits
 * in vain knows for what. It ends with its parent. */
_Noreturn void repository_look(const struct repository_question *question, int out);
