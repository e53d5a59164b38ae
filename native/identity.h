/* The account of a process: uid, gid and groups. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct identity {
	bool wanted;
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t group_count;
};

/* `uid gid group,group,…`. False when it is no such text. */
bool identity_parse(struct identity *identity, const char *text);

/* Takes it, if wanted, and leaves the session keyring behind when the uid becomes another. False, with errno and the name of the call. */
bool identity_take(const struct identity *identity, const char **what);
