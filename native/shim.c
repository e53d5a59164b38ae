/* The pid that the caller knows: waits for signals, the supervisor and the box, and ends as the payload ended. */
#include "shim.h"
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
	POLL_SUPERVISOR,
	POLL_STDIO,
	POLL_TERMINAL = POLL_STDIO + 2,
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
static void say_last(struct supervisor_link *link, const char *line)
{
	pid_t child = fork();

	if (child <= 0) {
		int keep[] = { 2 }, ours = link->stdio.streams[1].to;
		if (ours >= 0) /* a box that was launched has taken ours */
			dup2(ours, 2);
		if (child == 0)
			close_all_but(keep, 1);
		if (!link->command_line)
			starter_tell(link->caller, line);
		ending_say(line);
		if (child == 0)
			_exit(0);
		return;
	}
	for (int waited = 0; waited < SAY_MS * 2 && waitpid(child, NULL, WNOHANG) == 0; waited++)
		usleep(1000);
	kill(child, SIGKILL);
}

/* Says the last words and ends this process with the status of the payload, the supervisor or the failure. */
static _Noreturn void end_now(struct shim *shim)
{
	struct ending *ending = &shim->ending;
	int status = ending->status;

	if (ending->alone) {
		status = shim->box.status;
		if (shim->box.some_not_given)
			ending->words = xprintf("%s; not every application was run", ending->words ? ending->words : "the supervisor died");
	}

	supervisor_link_end(&shim->link);
	terminal_end(&shim->terminal);
	stdio_relay_finish(&shim->link.stdio);
	if (ending->words) {
		char *line = xprintf("tare: %s", ending->words);
		say_last(&shim->link, line);
	}
	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	die_by(WTERMSIG(status));
	_exit(128 + WTERMSIG(status)); /* process 1 of a container does not die of its own signal */
}

/* Reaps all dead children: the engine, init, supervisors, orphans of the box. */
static void reap_children(struct shim *shim)
{
	struct rusage usage;
	pid_t pid;
	int status;

	while ((pid = wait_any(&status, 0, &usage)) > 0) {
		box_reaped(&shim->box, pid, status, &usage);
		if (pid == shim->link.pid)
			orders_supervisor_reaped(shim, status);
	}
}

/* After such a signal output is not held for a reader that does not read. */
static bool asks_for_end(int signo)
{
	return signo == SIGTERM || signo == SIGINT || signo == SIGHUP || signo == SIGQUIT;
}

/* Passes a signal of the caller to the terminal, where it concerns that; else to the payload. */
static void take_caller_signal(struct shim *shim, const struct signalfd_siginfo *info)
{
	struct terminal *terminal = &shim->terminal;
	int signo = (int)info->ssi_signo;

	if (signo == SIGCHLD || signo == SIGTTIN || signo == SIGTTOU)
		return;
	/* Our own, from a write to descriptor 2. */
	if (signo == SIGPIPE && info->ssi_pid == (uint32_t)getpid())
		return;
	if (signo == SIGCONT && terminal->leads && (!shim->box.several || terminal->engaged)) {
		terminal_continue(terminal);
		return;
	}
	if (signo == SIGWINCH && terminal_resized(terminal))
		return;
	if (asks_for_end(signo) && terminal->over)
		terminal_end(terminal);
	patience_signal(&shim->patience, &shim->box, shim->link.pid, signo);
	box_signal(&shim->box, signo, true);
	if (signo == SIGTSTP && shim->box.several && terminal_suspend(terminal, signo))
		box_signal(&shim->box, SIGCONT, false);
}

/* Takes all pending signals, then reaps: one SIGCHLD may stand for several children. */
static void read_signals(struct shim *shim)
{
	struct signalfd_siginfo info[16];
	ssize_t n;

	while ((n = read(shim->signals, info, sizeof info)) > 0)
		for (size_t i = 0; i < (size_t)n / sizeof *info; i++)
			take_caller_signal(shim, &info[i]);
	reap_children(shim);
}

/* The poll events of a channel. */
static short wanted_of(const struct channel *channel)
{
	return channel->out ? POLLIN | POLLOUT : POLLIN;
}

/* `ready`: entries of both streams of the supervisor's. */
static void move_stdio(struct shim *shim, const struct pollfd ready[2])
{
	terminal_cook(&shim->terminal, true);
	for (int i = 0; i < 2; i++)
		if (ready[i].revents)
			stdio_relay_move(&shim->link.stdio.streams[i]);
	terminal_cook(&shim->terminal, false);
}

/* Waits for an event, or for `timeout` milliseconds (-1: without limit), and handles it. */
static void wait_and_move(struct shim *shim, int timeout)
{
	struct channel *control = &shim->box.control, *supervisor = &shim->link.channel;
	struct stdio_relay *stdio = &shim->link.stdio;
	struct pollfd ready[POLLS] = {
		[POLL_SIGNALS] = { .fd = shim->signals, .events = POLLIN },
		[POLL_BOX] = { .fd = control->fd, .events = wanted_of(control) },
		[POLL_ERRORS] = { .fd = shim->box.errors, .events = POLLIN },
		[POLL_SUPERVISOR] = { .fd = supervisor->fd, .events = wanted_of(supervisor) },
		[POLL_STDIO] = { .fd = -1 },
		[POLL_STDIO + 1] = { .fd = -1 },
	};

	int look = terminal_wanted(&shim->terminal, shim->box.executed, &ready[POLL_TERMINAL]);
	if (look >= 0 && (timeout < 0 || look < timeout))
		timeout = look;
	for (int i = 0; i < 2 && !stdio->held && !terminal_has_more(&shim->terminal, shim->ending.due); i++)
		ready[POLL_STDIO + i].fd = stdio_relay_wanted(&stdio->streams[i], &ready[POLL_STDIO + i].events);
	wait_for(ready, POLLS, timeout, SIG_EVERY);
	if (ready[POLL_STDIO].revents || ready[POLL_STDIO + 1].revents)
		move_stdio(shim, &ready[POLL_STDIO]);
	terminal_move(&shim->terminal, &ready[POLL_TERMINAL]);
	/* The box first: what the supervisor says may depend on it, and a dead init has often sent its report. */
	if (ready[POLL_BOX].revents & POLLOUT)
		channel_flush(control);
	if (ready[POLL_BOX].revents & ~POLLOUT)
		box_read(&shim->box);
	if (ready[POLL_ERRORS].revents)
		box_read_errors(&shim->box);
	if (ready[POLL_SUPERVISOR].revents & POLLOUT)
		channel_flush(supervisor);
	if (ready[POLL_SUPERVISOR].revents & ~POLLOUT && supervisor->fd == ready[POLL_SUPERVISOR].fd)
		orders_read(shim);
	if (ready[POLL_SIGNALS].revents)
		read_signals(shim);
}

/* Milliseconds until the supervisor is to be looked at again, -1: never. One that does not get on is given up. */
static int check_supervisor(struct shim *shim)
{
	bool nobody = shim->ending.due || shim->ending.alone;
	char *why = NULL;
	int left = patience_check(&shim->patience, &shim->box, nobody ? 0 : shim->link.pid, &why);

	if (why)
		succession_give_up(shim, why);
	free(why);
	return left;
}

/* Ends this process where it is to end and nothing keeps it: neither the box nor one more supervisor. */
static void end_when_due(struct shim *shim)
{
	const struct box *box = &shim->box;

	if (!shim->ending.due)
		return;
	if (box_is_stuck(box) || (!box->there && !terminal_has_more(&shim->terminal, true)))
		if (box->there || !succession_last(shim))
			end_now(shim);
}

/* Sets up all parts. Dies when the kernel gives no signalfd. */
static void begin_shim(struct shim *shim, struct caller *caller, const struct supervisor_file *file, bool command_line)
{
	shim->signals = sig_open(SIG_EVERY);
	if (shim->signals < 0)
		die("signalfd: %s", strerror(errno));
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	box_begin(&shim->box, caller, &shim->link, &shim->terminal);
	terminal_begin(&shim->terminal, caller, &shim->box.control);
	supervisor_link_begin(&shim->link, caller, file, command_line);
}

_Noreturn void shim_main(struct caller *caller, const struct supervisor_file *file, bool command_line)
{
	static struct shim shim; /* large, and there is one */
	bool soon = false;

	begin_shim(&shim, caller, file, command_line);
	succession_start(&shim);
	for (;;) {
		int left = check_supervisor(&shim);
		end_when_due(&shim);
		wait_and_move(&shim, soon ? WATCH_MS : left);
		if (shim.ending.alone)
			box_end_services(&shim.box);
		enum box_left box = box_settle(&shim.box);
		if (box == BOX_GONE)
			succession_box_gone(&shim);
		soon = box == BOX_SOON || (shim.ending.due && shim.box.killed);
	}
}
