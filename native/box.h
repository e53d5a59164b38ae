/* The box as the shim sees it: forked as the supervisor says (box_start.c), given what init needs (box_prepare.c), ordered about
 * (box_orders.c, box_signals.c), watched through init's socket (box_watch.c), gone when the engine is reaped and that socket is closed
 * (box_end.c). */
#pragma once

#include "caller.h"
#include "frame.h"
#include "generated/protocol.h"
#include "launch.h"
#include "supervisor_link.h"
#include "terminal.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

enum { ENGINE_ERRORS = 8 << 10 };

/* A signal for the payload that has not executed yet. */
struct kept {
	int signo;
	bool noted; /* tell the supervisor when it is forwarded */
};

/* One of several applications. */
struct app_slot {
	long given; /* the last start that the supervisor has ordered; 0: none */
	bool busy; /* that start is not answered for */
	int status; /* of the last start; SIGKILL until it is reported */
};

/* What stays from one launch to the next. */
struct job {
	struct caller *caller;
	struct supervisor_link *link; /* to which the box's state is reported */
	struct terminal *terminal;
	int parts; /* the pipe of the key `parts`, open to the end: a supervisor that follows reads what one before did not; -1: none */
	bool launched_once; /* the payload may have run: no second launch */
	bool any_ended; /* a box ended or is gone: `ended` in `hello` */
	struct kept *kept;
	size_t kept_count;
};

struct box {
	struct job job;
	bool there; /* launched, and not known to be gone */
	struct launch launch;
	int *specifications; /* memfds, one for each command */
	int *cgroups; /* what the commands join, one after the other */
	size_t cgroup_count;
	bool several;
	struct app_slot *app_slots; /* as many as launch.commands, when several */
	struct channel control; /* init's socket */
	int errors; /* the engine's descriptor 2 */
	char errors_text[ENGINE_ERRORS + 1];
	size_t errors_size;
	pid_t engine, init, payload; /* 0 until known; several have no payload */
	bool ready; /* `ready` */
	bool engine_reaped, init_reaped;
	bool limited; /* init has found its limit of CPU time lowered */
	long memory_kills; /* in a virtual machine */
	int engine_status;
	struct rusage engine_usage;
	bool go_wanted, go_sent, executed, failed, ended, killed;
	long long killed_us; /* when it was killed, CLOCK_MONOTONIC; 0: it was not */
	bool wound_up; /* nothing will be started any more */
	bool may_have_run, some_not_given; /* of several: any one; any one not */
	int status; /* as which a shim without a supervisor ends */
};

/* Prepares a box before the first launch. The arguments must outlive it. */
void box_begin(struct box *box, struct caller *caller, struct supervisor_link *link, struct terminal *terminal);
/* Clears all but the job, before each launch. Frees nothing, which box_end() has done. */
void box_reset(struct box *box);

/* A frame without strings for init. */
void box_send(struct box *box, enum frame_tag tag);

/* Tells the supervisor `failed`, once for a launch; later calls do nothing. `error`: errno, 0: none. */
void box_tell_failed(struct box *box, const char *step_name, int error, const char *what);

/* Kills the box, if there is one and it was not killed before. init kills what is in it, and can still report; before init is there the
 * engine is killed. */
void box_kill(struct box *box);

/* The slot of that application; NULL: the box has no such one. */
struct app_slot *box_app_slot(struct box *box, long index);

/* Closes and frees what init has received by the time that it waits. */
void box_forget_preparations(struct box *box);
