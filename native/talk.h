/* The link to the brain, and to its successors when it dies; one brain at a time. What a brain says orders.c takes, and who follows whom
 * succession.c says. */
#ifndef TARE_TALK_H
#define TARE_TALK_H

#include "brain.h"
#include "caller.h"
#include "frame.h"
#include "speech.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { BRAINS = 3 }; /* how many may be started while a box lives; one more comes when it is gone */

struct talk {
	const struct caller *caller;
	const struct brain_file *file;
	bool command_line; /* the brain is the command line's, which speaks */
	const char *cramped; /* the caller's limits that a brain may be too large for, NULL: none */
	struct speech speech;
	struct channel channel;
	pid_t pid; /* 0 when none is running */
	pid_t past[BRAINS + 1]; /* all that were started; each leads a session of its own */
	int started;
	bool reaped; /* but what it sent may still be in the socket */
	bool last; /* no other will come, also when the box is gone */
	bool start_when_gone; /* a fresh one, when the box that was not yet allowed to run is gone */
	char *directory; /* `state`; NULL before */
	bool over; /* `over`: nothing is to be told any more */
	int over_status; /* raw: how the front ends then, should no brain quit */
	struct message *told; /* what of the box was told so far, for a replay */
	size_t told_count;
};

/* Before the first brain. Keeps copies of the caller's descriptors 1 and 2 for a brain that speaks. */
void talk_begin(struct talk *talk, const struct caller *caller, const struct brain_file *file, bool command_line);

/* Starts a brain and sends it `hello` with that state word; where there is a state directory, all that was told too. NULL when it runs,
 * else what is wrong, which is the caller's to free. */
char *talk_start(struct talk *talk, const char *state);

/* Sends what is told of the box, which is kept for a replay. Takes the message over. */
void talk_tell(struct talk *talk, struct message *message);
/* Drops what is kept: a fresh brain and a new launch start from nothing. */
void talk_forget_told(struct talk *talk);

/* Send `noted`: a signal was forwarded to the payload; and `pending`: a signal is kept, and nothing is launched yet. A brain that does
 * not read loses them. */
void talk_note(struct talk *talk, int signo);
void talk_note_kept(struct talk *talk, int signo);
/* Sends `time`, the front's clock: a JavaScript runtime may count its own from anywhere. */
void talk_send_time(struct talk *talk);

/* Waits at most BRAIN_EXIT_MS for a brain whose socket has ended. True: it has ended with that raw status. */
bool talk_await_end(struct talk *talk, int *status);
/* Kills the brain, unless it was reaped, and closes its socket: two brains must not write one record. */
void talk_drop(struct talk *talk);
/* Kills and reaps the brain at the end of the front: after that no process of ours may be left. Waits at most BRAIN_KILL_MS. */
void talk_end(struct talk *talk);

/* Whether that process is a brain, or of a brain's session. `talk` is a struct talk: for kill_children(). */
bool talk_is_brains(pid_t pid, const void *talk);

#endif
