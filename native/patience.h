/* How long the shim waits for a supervisor. What can hang is the supervisor's to touch (policy, job, directories, spool, log): a file
 * server or a FUSE that never answers holds it for ever, and SIGKILL may not end it either. The shim touches none of it, so it has the
 * clock. */
#pragma once

#include "box.h"
#include "frame.h"

#include <stdbool.h>
#include <sys/types.h>

/* How far the job is, as far as a wait for the supervisor goes. */
enum phase { PHASE_NONE, PHASE_BEFORE, PHASE_BUILDING, PHASE_READY, PHASE_RUNNING, PHASE_OVER };

struct patience {
	enum phase phase;
	long long until_us; /* CLOCK_MONOTONIC; 0: for ever */
	long long asked_us; /* the same after a signal that asks for the end; 0: none came */
	bool looked; /* whether the supervisor works, at the end of the time */
	long ticks; /* CPU time of its processes then */
	char *doing; /* what the supervisor has said that it does */
};

/* `doing`: the supervisor says what it does, and how long it may take. False: it is no such frame. */
bool patience_take(struct patience *patience, const struct box *box, const struct frame *frame);

/* A signal came to the shim. After one that asks for the end the supervisor is given less time. */
void patience_signal(struct patience *patience, const struct box *box, pid_t supervisor, int signo);

/* Milliseconds until the next look; -1: there is none. `supervisor` 0: none is waited for. Where `why` is set the supervisor is to be given
 * up for that reason, which is the caller's to free. */
int patience_check(struct patience *patience, const struct box *box, pid_t supervisor, char **why);
