/* See wait.h. */
#include "wait.h"
#include "util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	BITS = 8 * sizeof(unsigned long),
	BLIND_MS = 20,
};

/* Sets for select(2), first of what is waited for, then of what is ready. The C library's fd_set ends at 1024. */
struct sets {
	unsigned long *read, *write;
	size_t words;
};

static bool has(const unsigned long *set, int fd)
{
	return set[(size_t)fd / BITS] >> (size_t)fd % BITS & 1;
}

static void add(unsigned long *set, int fd)
{
	set[(size_t)fd / BITS] |= 1UL << (size_t)fd % BITS;
}

/* Allocates the sets for select(2). A set is NULL when there is no memory. */
static struct sets sets_of(const struct pollfd *ready, size_t count)
{
	struct sets sets = { .words = 1 };

	for (size_t i = 0; i < count; i++)
		if (ready[i].fd >= 0 && (size_t)ready[i].fd / BITS >= sets.words)
			sets.words = (size_t)ready[i].fd / BITS + 1;
	sets.read = calloc(sets.words, sizeof *sets.read);
	sets.write = calloc(sets.words, sizeof *sets.write);
	for (size_t i = 0; sets.read && sets.write && i < count; i++) {
		if (ready[i].fd >= 0 && ready[i].events & POLLIN)
			add(sets.read, ready[i].fd);
		if (ready[i].fd >= 0 && ready[i].events & POLLOUT)
			add(sets.write, ready[i].fd);
	}
	return sets;
}

/* NULL: no timeout. */
static struct timespec *until(struct timespec *time, int timeout_ms)
{
	*time = (struct timespec){ timeout_ms / 1000, timeout_ms % 1000 * 1000000L };
	return timeout_ms < 0 ? NULL : time;
}

/* The fallback when ppoll(2) fails. -1, with errno. */
static int by_select(struct pollfd *ready, size_t count, int timeout_ms, sigmask mask)
{
	struct sets sets = sets_of(ready, count);
	struct timespec time;
	const struct {
		const sigmask *mask;
		size_t size;
	} wanted = { &mask, sizeof mask };
	int found = -1;

	errno = ENOMEM;
	if (sets.read && sets.write)
		found = (int)syscall(SYS_pselect6, sets.words * BITS, sets.read, sets.write, NULL, until(&time, timeout_ms), &wanted);
	int error = errno;
	for (size_t i = 0; found > 0 && i < count; i++) {
		if (ready[i].fd < 0)
			continue;
		ready[i].revents = has(sets.read, ready[i].fd) ? POLLIN : 0;
		ready[i].revents |= has(sets.write, ready[i].fd) ? POLLOUT : 0;
	}
	free(sets.read);
	free(sets.write);
	errno = error;
	return found;
}

/* Sleeps BLIND_MS and marks all descriptors as ready. */
static int blindly(struct pollfd *ready, size_t count)
{
	struct timespec time;

	nanosleep(until(&time, BLIND_MS), NULL);
	for (size_t i = 0; i < count; i++)
		ready[i].revents = ready[i].fd < 0 ? 0 : ready[i].events;
	return (int)count;
}

int wait_for(struct pollfd *ready, size_t count, int timeout_ms, sigmask mask)
{
	struct timespec time;

	for (size_t i = 0; i < count; i++)
		ready[i].revents = 0;
	/* the C library's would not block 32 and 33 */
	int found = (int)syscall(SYS_ppoll, ready, count, until(&time, timeout_ms), &mask, sizeof mask);
	if (found < 0 && errno == EINVAL)
		found = by_select(ready, count, timeout_ms, mask);
	if (found < 0 && errno != EINTR)
		return blindly(ready, count);
	return found < 0 ? 0 : found;
}

pid_t wait_any(int *status, int flags, struct rusage *usage)
{
	pid_t pid;

	do
		pid = wait4(-1, status, WNOHANG | flags, usage);
	while (pid < 0 && errno == EINTR);
	return pid;
}
