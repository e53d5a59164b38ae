/* Looking at what belongs to the payload can hang: a child looks and reports to its parent, which waits only for a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What can be looked at. */
enum way { WAY_TMPFS, WAY_MEMFD, WAY_SYSV, WAY_SOCKETS, WAY_PIPES, WAY_TABLES, WAY_DELETED, WAY_LOCKED, WAYS };

/* What a child found. Which fields say something depends on `what`. */
struct found {
	enum {
		FOUND_TMPFS, /* a file system in memory: device, bytes, files */
		FOUND_SHOWS, /* a mount that shows what is watched: its number */
		FOUND_SEGMENT, /* of System V: its number, bytes */
		FOUND_QUEUES, /* of System V: bytes */
		FOUND_SOCKETS, /* bytes that wait in sockets */
		FOUND_TREE, /* of a directory: bytes, files */
		FOUND_UNSEEN, /* the way that could not be looked at */
	} what;
	uint64_t number;
	long long bytes, files;
};

/* All that a child reported. The reader frees `list`; not `whole`: the child did not finish. */
struct answer {
	struct found *list;
	size_t count;
	bool whole;
};

/* CLOCK_MONOTONIC, in microseconds: when all looking of this process is to end. */
void look_until(long long end_us);
/* Whether that time has come. */
bool look_is_late(void);

/* Forks, and reads what the child reports until it ends or its time is up. True in the child, which reports and exits. */
bool look_in_child(struct answer *answer);
/* Reports a finding, in the child. */
void look_report(struct found found);
void look_report_unseen(enum way way);
