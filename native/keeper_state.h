/* What a keeper is made of. For its parts: keeper.c, keeper_reports.c, keeper_output.c, keeper_signals.c. */
#pragma once

#include "frame.h"
#include "lines.h"
#include "payload.h"
#include "reap.h"
#include "sig.h"

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

/* The descriptors of one start of an application, beside `control`. */
struct post {
	long index, start;
	int shim; /* init's socket to the shim, for the one frame that must name its sender */
	int lock; /* see lines.h */
	pid_t host; /* keeper of the application whose guest it is, 0: it has none, or that does not run */
};

struct keeper {
	struct channel control;
	struct reaper reaper;
	struct payload *payload;
	const struct post *post; /* NULL: for the only payload */
	struct lines lines[2]; /* descriptors 1 and 2 */
	pid_t pid; /* the payload's, 0 before the fork */
	pid_t foreground; /* group in front in the box when its caller took its terminal back, 0: none but the payload's */
	int link; /* to the payload's process until its exec; -1 then */
	bool told_go, executed, failed, ended;
	sigmask kept[2]; /* standard signals that have come: for the payload, for its group */
	bool told_end; /* by the end of the control socket */
	long long go_us, ended_us; /* CLOCK_MONOTONIC: just before the exec, and when the payload was reaped */
	int status;
	struct rusage usage;
	long killed;
};
