/* What a command of a small machine is made of beside what every payload is: process 1 of PIDs of its own, or a guest among
 * those of another application, and whose it is there (README, A system in the box). */
#pragma once

#include "identity.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { GUEST_NAMESPACES = 3 };

struct guest {
	bool first; /* process 1 of a new PID namespace, with a /proc of its own */
	bool apart; /* the single payload of a box: that namespace belongs to a user namespace of its own */
	bool own_groups; /* a cgroup namespace, whose root is its group */
	const char *groups_at; /* where that is mounted; NULL: nowhere */
	const char **masked, **read_only; /* below its /proc and /sys */
	size_t masked_count, read_only_count;
	const char **writable; /* mounts that its host had read-only while it booted */
	size_t writable_count;
	long host; /* index of the application whose namespaces it joins; -1: none */
	int namespaces[GUEST_NAMESPACES]; /* of that application, -1: the own one */
	struct identity identity;
	bool nested; /* a user namespace with this one user */
	uid_t uid; /* there; of one that is apart: there and in the box */
	gid_t gid;
	bool bounded;
	unsigned long long capabilities; /* what is left of them then */
};

/* One key, with a text that is valid (launch_key_valid()). False when it cannot be taken. The text must stay. */
bool guest_load(struct guest *guest, char key, const char *text);

/* The only payload of a box, after its last key: no right over the box is there. It takes the identity of this process. */
void guest_single(struct guest *guest);

/* In the keeper, before its fork. `keeper`: of the application that it joins, 0: it does not run. False, with errno and `what`,
 * here and below. */
bool guest_prepare(struct guest *guest, pid_t keeper, const char **what);
/* fork(2), into the namespaces of a guest that is apart. */
pid_t guest_fork(const struct guest *guest);
/* Called in the keeper after the start: closes all that belongs to the other application. */
void guest_release(const struct guest *guest);
/* Enters the other application's mounts and namespaces, in the payload's process. */
bool guest_enter(const struct guest *guest, const char **what);
/* Then takes its account; the rights over the box go last. */
bool guest_become(const struct guest *guest, const char **what);
/* Last, after the filter on system calls: drops the capabilities. */
bool guest_give_up(const struct guest *guest, const char **what);
