/* The link to the supervisor, and to its successors when it dies; one supervisor at a time. orders.c handles
 * what a supervisor sends, succession.c starts the next one. */
#pragma once

#include "supervisor.h"
#include "caller.h"
#include "frame.h"
#include "stdio_relay.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { SUPERVISORS = 3 }; /* how many may be started while a box lives; one more comes when it is gone */

struct supervisor_link {
	const struct caller *caller;
	const struct supervisor_file *file;
	bool command_line; /* the supervisor is the command line's, which speaks */
	const char *cramped; /* the caller's limits that a supervisor may be too large for, NULL: none */
	struct stdio_relay stdio;
	struct channel channel;
	pid_t pid; /* 0 when none is running */
	pid_t past[SUPERVISORS + 1]; /* all that were started; each leads a session of its own */
	int started;
	bool reaped; /* but what it sent may still be in the socket */
	bool last; /* no other will come, also when the box is gone */
	bool start_when_gone; /* a fresh one, when the box that was not yet allowed to run is gone */
	char *directory; /* `state`; NULL before */
	char *goes_last; /* the file of the state directory that goes last; NULL: the directory stays */
	struct message *told; /* what of the box was told so far, for a replay */
	size_t told_count;
};

/* Called before the first supervisor. Keeps copies of the caller's descriptors 1 and 2 for a supervisor that writes to them. */
void supervisor_link_begin(struct supervisor_link *link, const struct caller *caller, const struct supervisor_file *file,
			   bool command_line);

/* Starts a supervisor and sends it `hello` with that state word; where there is a state directory, all that was told too. NULL when it
 * runs, else what is wrong, which is the caller's to free. */
char *supervisor_link_start(struct supervisor_link *link, const char *state);

/* Sends what is told of the box, which is kept for a replay. Takes the message over. */
void supervisor_link_tell(struct supervisor_link *link, struct message *message);
/* Drops what is kept: a fresh supervisor and a new launch start from nothing. */
void supervisor_link_forget_told(struct supervisor_link *link);

/* Send `noted`: a signal was forwarded to the payload; and `pending`: a signal is kept, and nothing is launched yet. A supervisor that does
 * not read loses them. */
void supervisor_link_note(struct supervisor_link *link, int signo);
void supervisor_link_note_kept(struct supervisor_link *link, int signo);
/* Sends `time`, the shim's clock: a JavaScript runtime may count its own from anywhere. */
void supervisor_link_send_time(struct supervisor_link *link);

/* Waits at most SUPERVISOR_EXIT_MS for a supervisor whose socket has ended. True: it has ended with that raw status. */
bool supervisor_link_await_end(struct supervisor_link *link, int *status);
/* Kills the supervisor, unless it was reaped, and closes its socket: two supervisors must not write one record. */
void supervisor_link_drop(struct supervisor_link *link);
/* Kills and reaps the supervisor at the end of the shim, and removes the state directory meanwhile, if that is to go: after that no process
 * of ours may be left. Waits at most SUPERVISOR_KILL_MS, and as long again as forget.h says. */
void supervisor_link_end(struct supervisor_link *link);

/* Whether that process is a supervisor, or of a supervisor's session. `supervisor_link` is a struct supervisor_link: for
 * kill_children(). */
bool supervisor_link_owns(pid_t pid, const void *link);
