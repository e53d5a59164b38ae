/* What was found of a repository of CVMFS, and the file in which it is kept for a while: a process that asks meanwhile waits for the same
 * answer. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { ANSWER_MAX = 16 * 1024 };

/* Lines, each a key, a tab and a value. */
struct repository_answer {
	char text[ANSWER_MAX];
	size_t size;
};

/* What has no room is left out. */
void answer_keep(struct repository_answer *answer, const char *text, size_t size);
void answer_keep_line(struct repository_answer *answer, const char *key, long long value);

/* A file that only this account can write, or -1: then the result is not kept. */
int answer_open(const char *path);
/* Waits for the file's lock until that time (CLOCK_MONOTONIC, µs). False when another process keeps it until then. Sets SIGALRM's
 * handler. */
bool answer_lock(int fd, long long end_us);

/* What the file says, if it is whole, of this boot, and not older than `age_us`; else false. */
bool answer_recall(int fd, long long age_us, struct repository_answer *answer);
/* Writes it into the file. `began_us`: CLOCK_BOOTTIME, when the look began. */
void answer_remember(int fd, long long began_us, const struct repository_answer *answer);
