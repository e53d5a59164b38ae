/* The pid that the caller knows: waits for signals, the brain and the box, and ends as the payload ended. */
#include "front.h"
#include "box_end.h"
#include "box_orders.h"
#include "box_signals.h"
#include "box_watch.h"
#include "orders.h"
#include "starter.h"
#include "state.h"
#include "succession.h"
#include "terminal_move.h"
#include "util.h"
#include "wait.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WATCH_MS = 20 }; /* how soon to look again for something that sends no event */

/* What the loop waits for: entries of its poll. */
enum {
	POLL_SIGNALS,
	POLL_BOX,
	POLL_ERRORS,
	POLL_BRAIN,
	POLL_SPEECH,
	POLL_TERMINAL = POLL_SPEECH + 2,
	POLLS = POLL_TERMINAL + TERMINAL_POLLS
};

/* Dies by the payload's signal. The core, if any, was the payload's. */
static void die_by(int signo)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0); /* a core_pattern with a pipe does not ask for the limit */
	kill(getpid(), signo);
	sig_set_mask(SIG_EVERY & ~SIG_BIT(signo));
}

/* Descriptor 2 and the file of the batch system may lie where nothing answers: a child says the line, and can be left there. */
static void say_last(struct talk *talk, const char *line)
{
	pid_t child = fork();

	if (child <= 0) {
		int keep[] = { 2 }, ours = talk->speech.streams[1].to;
		if (ours >= 0) /* a box that was launched has taken ours */
			dup2(ours, 2);
		if (child == 0)
			close_all_but(keep, 1);
		if (!talk->command_line)
			starter_tell(talk->caller, line);
		ending_say(line);
		if (child == 0)
			_exit(0);
		return;
	}
	for (int waited = 0; waited < SAY_MS * 2 && waitpid(child, NULL, WNOHANG) == 0; waited++)
		usleep(1000);
	kill(child, SIGKILL);
}

/* Says the last words and ends this process with the status of the payload, the brain or the failure. */
static _Noreturn void end_now(struct front *front)
{
	struct ending *ending = &front->ending;
	int status = ending->status;

	if (ending->alone) {
		status = front->box.status;
		if (front->box.some_not_given)
			ending->words = xprintf("%s; not every application was run", ending->words ? ending->words : "the brain died");
	}

	talk_end(&front->talk);
	terminal_end(&front->terminal);
	speech_finish(&front->talk.speech);
	if (ending->words) {
		char *line = xprintf("tare: %s", ending->words);
		say_last(&front->talk, line);
	}
	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	die_by(WTERMSIG(status));
	_exit(128 + WTERMSIG(status)); /* process 1 of a container does not die of its own signal */
}

/* Reaps all dead children: the engine, init, brains, orphans of the box. */
static void reap_children(struct front *front)
{
	struct rusage usage;
	pid_t pid;
	int status;

	while ((pid = wait_any(&status, 0, &usage)) > 0) {
		box_reaped(&front->box, pid, status, &usage);
		if (pid == front->talk.pid)
			orders_brain_reaped(front, status);
	}
}

/* Then nobody waits any longer for who does not read. */
static bool asks_for_end(int signo)
{
	return signo == SIGTERM || signo == SIGINT || signo == SIGHUP || signo == SIGQUIT;
}

/* To the terminal, where it means that; else to the payload. */
static void take_caller_signal(struct front *front, const struct signalfd_siginfo *info)
{
	struct terminal *terminal = &front->terminal;
	int signo = (int)info->ssi_signo;

	if (signo == SIGCHLD || signo == SIGTTIN || signo == SIGTTOU)
		return;
	/* Our own, from a write to descriptor 2. */
	if (signo == SIGPIPE && info->ssi_pid == (uint32_t)getpid())
		return;
	if (signo == SIGCONT && terminal->leads && (!front->box.several || terminal->engaged)) {
		terminal_continue(terminal);
		return;
	}
	if (signo == SIGWINCH && terminal_resized(terminal))
		return;
	if (asks_for_end(signo) && terminal->over)
		terminal_end(terminal);
	patience_signal(&front->patience, &front->box, front->talk.pid, signo);
	box_signal(&front->box, signo, true);
	if (signo == SIGTSTP && front->box.several && terminal_suspend(terminal, signo))
		box_signal(&front->box, SIGCONT, false);
}

/* Takes all pending signals, then reaps: one SIGCHLD may stand for several children. */
static void read_signals(struct front *front)
{
	struct signalfd_siginfo info[16];
	ssize_t n;

	while ((n = read(front->signals, info, sizeof info)) > 0)
		for (size_t i = 0; i < (size_t)n / sizeof *info; i++)
			take_caller_signal(front, &info[i]);
	reap_children(front);
}

/* The poll events of a channel. */
static short wanted_of(const struct channel *channel)
{
	return channel->out ? POLLIN | POLLOUT : POLLIN;
}

/* `ready`: entries of both streams of the brain's. */
static void move_speech(struct front *front, const struct pollfd ready[2])
{
	terminal_cook(&front->terminal, true);
	for (int i = 0; i < 2; i++)
		if (ready[i].revents)
			speech_move(&front->talk.speech.streams[i]);
	terminal_cook(&front->terminal, false);
}

/* For one of these to happen, or so many milliseconds (-1: any), and does what is to be done then. */
static void wait_and_move(struct front *front, int timeout)
{
	struct channel *control = &front->box.control, *brain = &front->talk.channel;
	struct speech *speech = &front->talk.speech;
	struct pollfd ready[POLLS] = {
		[POLL_SIGNALS] = { .fd = front->signals, .events = POLLIN },
		[POLL_BOX] = { .fd = control->fd, .events = wanted_of(control) },
		[POLL_ERRORS] = { .fd = front->box.errors, .events = POLLIN },
		[POLL_BRAIN] = { .fd = brain->fd, .events = wanted_of(brain) },
		[POLL_SPEECH] = { .fd = -1 },
		[POLL_SPEECH + 1] = { .fd = -1 },
	};

	int look = terminal_wanted(&front->terminal, front->box.executed, &ready[POLL_TERMINAL]);
	if (look >= 0 && (timeout < 0 || look < timeout))
		timeout = look;
	for (int i = 0; i < 2 && !speech->held && !terminal_has_more(&front->terminal, front->ending.due); i++)
		ready[POLL_SPEECH + i].fd = speech_wanted(&speech->streams[i], &ready[POLL_SPEECH + i].events);
	wait_for(ready, POLLS, timeout, SIG_EVERY);
	if (ready[POLL_SPEECH].revents || ready[POLL_SPEECH + 1].revents)
		move_speech(front, &ready[POLL_SPEECH]);
	terminal_move(&front->terminal, &ready[POLL_TERMINAL]);
	/* The box first: what the brain says may depend on it, and a dead init has often sent its report. */
	if (ready[POLL_BOX].revents & POLLOUT)
		channel_flush(control);
	if (ready[POLL_BOX].revents & ~POLLOUT)
		box_read(&front->box);
	if (ready[POLL_ERRORS].revents)
		box_read_errors(&front->box);
	if (ready[POLL_BRAIN].revents & POLLOUT)
		channel_flush(brain);
	if (ready[POLL_BRAIN].revents & ~POLLOUT && brain->fd == ready[POLL_BRAIN].fd)
		orders_read(front);
	if (ready[POLL_SIGNALS].revents)
		read_signals(front);
}

/* Milliseconds until the brain is to be looked at again, -1: never. One that does not get on is given up. */
static int check_brain(struct front *front)
{
	bool nobody = front->ending.due || front->ending.alone;
	char *why = NULL;
	int left = patience_check(&front->patience, &front->box, nobody ? 0 : front->talk.pid, &why);

	if (why)
		succession_give_up(front, why);
	free(why);
	return left;
}

/* Ends this process where it is to end and nothing keeps it: neither the box nor one more brain. */
static void end_when_due(struct front *front)
{
	const struct box *box = &front->box;

	if (!front->ending.due)
		return;
	if (box_is_stuck(box) || (!box->there && !terminal_has_more(&front->terminal, true)))
		if (box->there || !succession_last(front))
			end_now(front);
}

/* Sets up all parts. Dies when the kernel gives no signalfd. */
static void begin_front(struct front *front, struct caller *caller, const struct brain_file *file, bool command_line)
{
	front->signals = sig_open(SIG_EVERY);
	if (front->signals < 0)
		die("signalfd: %s", strerror(errno));
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	box_begin(&front->box, caller, &front->talk, &front->terminal);
	terminal_begin(&front->terminal, caller, &front->box.control);
	talk_begin(&front->talk, caller, file, command_line);
}

_Noreturn void front_main(struct caller *caller, const struct brain_file *file, bool command_line)
{
	static struct front front; /* large, and there is one */
	bool soon = false;

	begin_front(&front, caller, file, command_line);
	succession_start(&front);
	for (;;) {
		int left = check_brain(&front);
		end_when_due(&front);
		wait_and_move(&front, soon ? WATCH_MS : left);
		if (front.ending.alone)
			box_end_services(&front.box);
		enum box_left box = box_settle(&front.box);
		if (box == BOX_GONE)
			succession_box_gone(&front);
		soon = box == BOX_SOON || (front.ending.due && front.box.killed);
	}
}
