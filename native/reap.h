/* Killing what is left. */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

/* A child of that process, 0: it has none. */
pid_t child_of(pid_t parent);

/* Sends SIGKILL to each direct child that is not spared, and returns how many there were, dead ones included.
 * Only the caller can reap them, so none of these pids can be another process by now. A child's children become
 * the caller's (a subreaper's) when it dies: repeat until there are none. */
size_t kill_children(bool (*spare)(pid_t pid, const void *context), const void *context);

/* Is told of each child that is reaped, or (with WUNTRACED) stopped. `killing`: by kill_all. */
struct reaper {
	void (*reaped)(void *context, pid_t pid, int status, const struct rusage *usage, bool killing);
	void *context;
	unsigned long dead; /* so many were reaped */
	int vain; /* looks that found no dead child, in the time that ends at `vain_until_us` (CLOCK_MONOTONIC) */
	long long vain_until_us;
};

/* Called once in a process that reaps, with the signals of sig_withstand and before another process of its uid can lower its limits. */
void reaper_begin(void);

/* As wait_for; true when there may be something to reap. SIGCHLD that others send are soon not heard for a
 * while. */
bool reaper_wait(const struct reaper *reaper, struct pollfd *ready, size_t count, int timeout_ms);

/* Reaps what is dead. False when there are no children left. */
bool reap(struct reaper *reaper, int flags, bool killing);

/* Kills and reaps all that is left. True when this process is alone; false when something does not die in time. */
bool kill_all(struct reaper *reaper);
