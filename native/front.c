/* The pid that the caller knows: waits for signals, the brain and the box, and ends as the payload ended. */
#include "front.h"
#include "starter.h"
#include "state.h"
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

enum { SAY_MS = 1000 };

/* Descriptor 2 is the caller's: it may be closed, or full for ever. */
void front_say(const char *text)
{
	struct pollfd out = { .fd = 2, .events = POLLOUT };
	char *line = xprintf("%s\n", text);

	if (wait_for(&out, 1, SAY_MS, SIG_EVERY) > 0 && out.revents & POLLOUT)
		write_all(2, line, strlen(line));
	free(line);
}

void front_end(struct front *front, int raw_status)
{
	front->ending = true;
	front->end_status = raw_status;
}

void front_fail(struct front *front, char *words)
{
	free(front->last_words);
	front->last_words = words;
	front_end(front, EXIT_WRAPPER << 8);
}

/* Dies by the payload's signal. The core, if any, was the payload's. */
static void die_by(int signo)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0); /* a core_pattern with a pipe does not ask for the limit */
	kill(getpid(), signo);
	sig_set_mask(SIG_EVERY & ~SIG_BIT(signo));
}

/* Descriptor 2 and the file of the batch system may lie where nothing answers: a child can be left there. */
static void last_words(struct front *front, const char *line)
{
	pid_t child = fork();

	if (child <= 0) {
		int keep[] = { 2 }, ours = front->speech.streams[1].to;
		if (ours >= 0) /* a box that was launched has taken ours */
			dup2(ours, 2);
		if (child == 0)
			close_all_but(keep, 1);
		if (!front->command_line)
			starter_tell(front->caller, line);
		front_say(line);
		if (child == 0)
			_exit(0);
		return;
	}
	for (int waited = 0; waited < SAY_MS * 2 && waitpid(child, NULL, WNOHANG) == 0; waited++)
		usleep(1000);
	kill(child, SIGKILL);
}

static _Noreturn void end_now(struct front *front)
{
	int status = front->end_status;

	if (front->alone) {
		status = front->box.status;
		if (front->box.some_not_given)
			front->last_words = xprintf("%s; not every application was run", front->last_words ? front->last_words : "the brain died");
	}

	talk_end(front);
	terminal_end(front);
	speech_finish(&front->speech);
	if (front->last_words) {
		char *line = xprintf("tare: %s", front->last_words);
		last_words(front, line);
	}
	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	die_by(WTERMSIG(status));
	_exit(128 + WTERMSIG(status)); /* process 1 of a container does not die of its own signal */
}

static void reap(struct front *front)
{
	struct rusage usage;
	pid_t pid;
	int status;

	while ((pid = wait_any(&status, 0, &usage)) > 0) {
		box_reaped(front, pid, status, &usage);
		if (pid == front->talk.pid)
			talk_reaped(front, status);
	}
}

/* Then nobody waits any longer for who does not read. */
static bool asks_for_end(int signo)
{
	return signo == SIGTERM || signo == SIGINT || signo == SIGHUP || signo == SIGQUIT;
}

static void take_signal(struct front *front, const struct signalfd_siginfo *info)
{
	int signo = (int)info->ssi_signo;

	if (signo == SIGCHLD || signo == SIGTTIN || signo == SIGTTOU)
		return;
	/* Our own, from a write to descriptor 2. */
	if (signo == SIGPIPE && info->ssi_pid == (uint32_t)getpid())
		return;
	if (signo == SIGCONT && front->terminal.leads && (!front->box.several || front->terminal.engaged)) {
		terminal_continue(front);
		return;
	}
	if (signo == SIGWINCH && terminal_resized(front))
		return;
	if (asks_for_end(signo) && front->terminal.over)
		terminal_end(front);
	patience_signal(front, signo);
	box_signal(front, signo, true);
	if (signo == SIGTSTP && front->box.several)
		terminal_suspend(front, signo);
}

static void read_signals(struct front *front)
{
	struct signalfd_siginfo info[16];
	ssize_t n;

	while ((n = read(front->signals, info, sizeof info)) > 0)
		for (size_t i = 0; i < (size_t)n / sizeof *info; i++)
			take_signal(front, &info[i]);
	reap(front);
}

static short wanted(const struct channel *channel)
{
	return channel->out ? POLLIN | POLLOUT : POLLIN;
}

static void speak(struct front *front, const struct pollfd ready[2])
{
	terminal_cook(front, true);
	for (int i = 0; i < 2; i++)
		if (ready[i].revents)
			speech_move(&front->speech.streams[i]);
	terminal_cook(front, false);
}

static void wait_and_take(struct front *front, int timeout)
{
	struct channel *control = &front->box.control, *brain = &front->talk.channel;
	struct stream *streams = front->speech.streams;
	struct pollfd ready[] = {
		{ .fd = front->signals, .events = POLLIN },
		{ .fd = control->fd, .events = wanted(control) },
		{ .fd = front->box.errors, .events = POLLIN },
		{ .fd = brain->fd, .events = wanted(brain) },
		{ .fd = -1 },
		{ .fd = -1 },
		{ .fd = -1 },
		{ .fd = -1 },
	};

	int look = terminal_wanted(front, &ready[6]);
	if (look >= 0 && (timeout < 0 || look < timeout))
		timeout = look;
	for (int i = 0; i < 2 && !front->speech.held && !terminal_has_more(front); i++)
		ready[4 + i].fd = speech_wanted(&streams[i], &ready[4 + i].events);
	wait_for(ready, 6 + TERMINAL_POLLS, timeout, SIG_EVERY);
	if (ready[4].revents || ready[5].revents)
		speak(front, &ready[4]);
	terminal_move(front, &ready[6]);
	/* The box first: what the brain says may depend on it, and a dead init has often sent its report. */
	if (ready[1].revents & POLLOUT)
		channel_flush(control);
	if (ready[1].revents & ~POLLOUT)
		box_read(front);
	if (ready[2].revents)
		box_read_errors(front);
	if (ready[3].revents & POLLOUT)
		channel_flush(brain);
	if (ready[3].revents & ~POLLOUT && brain->fd == ready[3].fd)
		talk_read(front);
	if (ready[0].revents)
		read_signals(front);
}

_Noreturn void front_main(struct caller *caller, const struct brain_file *file, bool command_line)
{
	static struct front front; /* large, and there is one */
	bool soon = false;

	front.caller = caller;
	front.file = file;
	front.command_line = command_line;
	front.box.errors = front.parts = -1;
	channel_open(&front.box.control, -1);
	channel_open(&front.talk.channel, -1);
	front.signals = sig_open(SIG_EVERY);
	if (front.signals < 0)
		die("signalfd: %s", strerror(errno));
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	terminal_begin(&front);
	speech_keep(&front.speech, command_line);
	front.cramped = caller_cramped(caller);
	talk_start(&front);
	for (;;) {
		int left = patience_check(&front);
		if (front.ending && ((!front.box.there && !terminal_has_more(&front)) || box_is_stuck(&front)))
			if (front.box.there || !talk_last(&front))
				end_now(&front);
		wait_and_take(&front, soon ? WATCH_MS : left);
		if (front.alone)
			box_end_services(&front);
		soon = box_settle(&front) || (front.ending && front.box.killed);
	}
}
