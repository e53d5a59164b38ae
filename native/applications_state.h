/* What init of several applications is made of. For its parts: applications.c, applications_orders.c, applications_start.c,
 * applications_reports.c. */
#pragma once

#include "frame.h"
#include "generated/protocol.h"
#include "payload.h"
#include "reap.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct application {
	struct payload *payload;
	struct channel control; /* to its keeper; closed when none runs */
	pid_t keeper; /* 0: none runs */
	long start;
	long long told_end_us; /* 0: not told */
	bool reported; /* its keeper did; `ended` is in `report` */
	struct message failed; /* `failed`, to be sent when the keeper is reaped; without data when it was `ended` */
	bool lost; /* its keeper was killed; what that left is not yet gone */
	struct report report;
};

struct applications {
	struct channel control;
	struct reaper reaper;
	struct application *applications;
	size_t count;
	struct received *descriptors; /* of the caller, until nothing will be started any more */
	size_t descriptor_count;
	int lock;
	bool winding_up;
	bool ending; /* the shim is gone or has said so */
	struct report sum;
};
