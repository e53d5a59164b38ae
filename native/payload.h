/* A payload as it is to be executed: the only one of a box, or one of several applications. */
#pragma once

#include "guest.h"
#include "landlock.h"
#include "sig.h"
#include "own_view.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

/* A descriptor that came from the shim: the payload's under `target`, or (target -1) the file of a group to join. */
struct received {
	int fd, target;
};

struct payload {
	char *text; /* what the rest points into */
	char **argv, **environment;
	struct rlimit limits[RLIM_NLIMITS];
	sigmask mask, ignored;
	mode_t umask;
	const char *directory, *oom_score_adj, *nice, *pause; /* NULL: none */
	const char *filter; /* for filter_load(); NULL: none */
	struct landlock wall; /* of the box, which init puts up */
	bool no_new_privs;
	bool terminal; /* leads a session on `tty` */
	int tty; /* the box's end of the caller's terminal, -1: there is none */
	bool holds; /* waits in place of an exec */
	const char *name; /* NULL: it is the only payload, not one of several applications */
	bool input, prefixed;
	bool service; /* not for the caller to signal */
	struct guest guest;
	const char *files[3]; /* for descriptors 1 and 2; NULL: none */
	struct own_view view; /* no swaps: the box's own */
	struct received *descriptors;
	size_t descriptor_count;
	struct received *cgroups;
	size_t cgroup_count;
};

/* Reads what specification_make() wrote, and closes the memfd. False, with errno. */
bool payload_load(struct payload *payload, int memfd);

/* What becomes its descriptor `target` is `fd` from now on; closed before where there was another. */
void payload_set_descriptor(struct payload *payload, int target, int fd);
