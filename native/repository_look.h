/* A look at a repository of CVMFS, which can hang. */
#pragma once

#include "identity.h"

#include <sys/types.h>

/* The account that looks at the repository, and where. */
struct repository_question {
	const char *root, *name;
	long mounter; /* a process in whose mounts it is; 0: this one's */
	struct identity identity;
};

/* In a child: writes lines, each a key, a tab and a value, to `out`, and exits. It names each action before it begins, so that a parent
 * that waits in vain can tell for what. It ends with its parent. */
_Noreturn void repository_look(const struct repository_question *question, int out);
