/* What the front knows. Shared by its parts: front.c (loop, signals, end), talk.c (the brain), box.c (the box). */
#ifndef TARE_STATE_H
#define TARE_STATE_H

#include "brain.h"
#include "caller.h"
#include "frame.h"
#include "launch.h"
#include "speech.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <termios.h>

enum {
	BRAINS_FRESH = 2, /* how many brains may be started before `S` */
	BRAINS = 3, /* and while a box lives */
	ENGINE_ERRORS = 8 << 10,
	WATCH_MS = 20, /* how soon to look again for something that sends no event */
};

/* A signal for the payload that has not executed yet. */
struct kept {
	int signo;
	bool noted; /* tell the brain when it is forwarded */
};

/* One of several applications. */
struct seat {
	long given; /* the last start that the brain has ordered; 0: none */
	bool busy; /* that start is not answered for */
	int status; /* of the last start; SIGKILL until it is reported */
};

struct box {
	bool there; /* launched, and not known to be gone */
	struct launch launch;
	int *specifications; /* memfds, one for each command */
	int *cgroups; /* what the commands join, one after the other */
	size_t cgroup_count;
	bool several;
	struct seat *seats; /* as many as launch.commands, when several */
	struct channel control; /* init's socket */
	int errors; /* the engine's descriptor 2 */
	char errors_text[ENGINE_ERRORS];
	size_t errors_size;
	pid_t engine, init, payload; /* 0 until known; several have no payload */
	bool ready; /* `R` */
	bool engine_reaped, init_reaped;
	bool limited; /* init has found its limit of CPU time lowered */
	int engine_status;
	struct rusage engine_usage;
	bool go_wanted, go_sent, executed, failed, ended, killed;
	long long killed_us; /* when it was killed, CLOCK_MONOTONIC; 0: it was not */
	bool wound_up; /* nothing will be started any more */
	bool may_have_run, some_not_given; /* of several: any one; any one not */
	int status; /* as which a front without a brain ends */
};

struct talk {
	struct channel channel;
	pid_t pid; /* 0 when none is running */
	pid_t past[BRAINS + 1]; /* all that were started; each leads a session of its own */
	int started;
	bool reaped; /* but what it sent may still be in the socket */
	bool last; /* no other will come, also when the box is gone */
	bool start_when_gone; /* a fresh one, when the box that was not yet allowed to run is gone */
	char *directory; /* `S`; NULL before */
	bool over; /* `O`: nothing is to be told any more */
	int over_status; /* raw: how the front ends then, should no brain quit */
	struct message *told; /* the R X F Z E B so far, for a replay */
	size_t told_count;
};

/* How far the job is, as far as a wait for the brain goes. */
enum phase { PHASE_NONE, PHASE_BEFORE, PHASE_BUILDING, PHASE_READY, PHASE_RUNNING, PHASE_OVER };

struct patience {
	enum phase phase;
	long long until_us; /* CLOCK_MONOTONIC; 0: for ever */
	long long asked_us; /* the same after a signal that asks for the end; 0: none came */
	bool looked; /* whether the brain works, at the end of the time */
	long ticks; /* CPU time of its processes then */
	char *doing; /* what the brain has said that it does */
};

/* Between the caller's terminal and the box's. */
struct terminal {
	int master; /* of the box's, -1: none */
	int outside; /* the caller's, opened so as not to block where that is allowed; -1: not yet */
	bool leads; /* the payload has it as descriptor 0 */
	bool alone; /* no pipeline of which others may read keys */
	bool engaged; /* the caller's is raw, and its keys go to the payload */
	bool plain; /* the box's passes on what is written as it is: the caller's does the rest */
	bool over; /* the box is gone */
	bool known; /* `before` is set */
	struct termios before; /* modes of the caller's */
	struct winsize size; /* the box's has */
	char in[4096], out[16384];
	size_t in_size, out_size;
};

struct front {
	struct caller *caller;
	const struct brain_file *file;
	bool command_line;
	const char *cramped; /* the caller's limits that a brain may be too large for, NULL: none */
	int signals; /* signalfd */
	struct talk talk;
	struct patience patience;
	struct speech speech; /* of the command line's brain */
	struct box box;
	struct terminal terminal;
	int parts; /* the pipe of `T`, open to the end: a brain that follows reads what one before did not; -1: none */
	bool launched_once; /* the payload may have run: no second launch */
	bool any_ended; /* a box ended or is gone: `ended` in `H` */
	struct kept *kept;
	size_t kept_count;
	bool ending; /* as soon as nothing is left of the box */
	bool alone; /* no brain any more: the end is the payload's */
	int end_status; /* raw; not when alone */
	char *last_words; /* for descriptor 2 at the end, NULL: none */
};

/* talk.c */
void talk_start(struct front *front);
void talk_tell(struct front *front, struct message *message); /* R X F Z E B: kept for a replay */
void talk_note(struct front *front, int signo);
void talk_kept(struct front *front, int signo); /* nothing is launched yet */
void talk_read(struct front *front);
void talk_reaped(struct front *front, int status); /* the brain is dead: hear it out, then do without */
void talk_box_gone(struct front *front);
bool talk_last(struct front *front); /* whether there is one more brain for a box that is gone */
void talk_give_up(struct front *front, const char *why); /* it is killed, and no other started */
void talk_end(struct front *front); /* the brain has said its last */

/* patience.c */
bool patience_take(struct front *front, struct frame *frame);
void patience_signal(struct front *front, int signo);
int patience_check(struct front *front); /* ms until the next look; -1: there is none */

/* box.c */
void box_launch(struct front *front, struct frame *frame);
void box_replace(struct front *front, struct frame *frame); /* `D`: returns only when it failed */
bool box_go(struct front *front, struct frame *frame); /* false, here and below: that is not to be asked of this box */
void box_signal(struct front *front, int signo, bool noted);
bool box_signal_one(struct front *front, int signo, struct frame *frame);
void box_kill(struct front *front);
bool box_kill_one(struct front *front, struct frame *frame);
void box_wind_up(struct front *front);
void box_end_services(struct front *front); /* when nothing else runs: without a brain nobody would */
void box_read(struct front *front);
void box_read_errors(struct front *front);
void box_reaped(struct front *front, pid_t pid, int status, const struct rusage *usage);
bool box_settle(struct front *front); /* true: look again soon */
bool box_is_stuck(const struct front *front); /* killed long ago, and not gone: nobody waits for it any more */

/* terminal.c */
enum { TERMINAL_POLLS = 2 };

void terminal_begin(struct front *front);
bool terminal_open(struct front *front, int master); /* takes it; false: it is no such thing */
void terminal_give(struct front *front); /* the payload is about to be let go */
void terminal_stopped(struct front *front, int signo);
void terminal_continue(struct front *front);
void terminal_suspend(struct front *front, int signo);
bool terminal_resized(struct front *front); /* true: who is in front in the box knows */
int terminal_wanted(const struct front *front, struct pollfd ready[TERMINAL_POLLS]); /* ms until it is to be asked again, -1: when something happens */
void terminal_move(struct front *front, const struct pollfd ready[TERMINAL_POLLS]);
void terminal_cook(struct front *front, bool on); /* the brain speaks; it has spoken */
void terminal_over(struct front *front); /* the box is gone */
bool terminal_has_more(struct front *front); /* of what the payload has written */
void terminal_end(struct front *front); /* what nobody has read is lost */

/* front.c */
void front_end(struct front *front, int raw_status);
void front_fail(struct front *front, char *words); /* takes the words */
void front_say(const char *text);

#endif
