/* Waiting for descriptors and for children, as no limit and no signal that another process of the same uid sets or sends can stop it. */
#pragma once

#include "sig.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

/* As poll(2), but with a signal mask while it waits (ppoll(2)), and not stopped by RLIMIT_NOFILE, below which poll(2) fails with EINVAL
 * and which any process of the same uid can lower by prlimit(2): select(2) asks for no limit. It tells less: a POLLHUP is POLLIN, and a
 * descriptor for which nothing is asked says nothing. Where there is no memory for that either, all are said to be ready after 20 ms:
 * the caller must not block on it. How many are ready; 0 at the end of the time, and when a signal came. */
int wait_for(struct pollfd *ready, size_t count, int timeout_ms, sigmask mask);

/* wait4(2) of any child that has ended, or what else the flags say; 0 or less: there is none now. It does not wait. */
pid_t wait_any(int *status, int flags, struct rusage *usage);
