/* See terminal.h. */
#include "terminal.h"
#include "generated/protocol.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool terminal_leads(const struct terminal *terminal)
{
	return terminal->master >= 0 && terminal->leads;
}

bool terminal_in_front(const struct terminal *terminal)
{
	pid_t foreground = tcgetpgrp(terminal->caller->terminal);

	return foreground < 0 || foreground == getpgrp();
}

/* No process would continue this group: the kernel does not stop it. */
static bool is_orphan(void)
{
	return getsid(getppid()) != getsid(0);
}

/* Tells init whether the payload is in front. */
static void tell_in_front(const struct terminal *terminal, bool in_front)
{
	struct message message;

	message_begin(&message, in_front ? FRAME_FOREGROUND : FRAME_BACKGROUND);
	channel_send(terminal->control, &message);
}

/* Makes init continue the payload's group. */
static void continue_payload(const struct terminal *terminal)
{
	struct message message;

	/* the whole group was stopped */
	write_signal_group_frame(&message, &(struct signal_group_frame){ SIGCONT });
	channel_send(terminal->control, &message);
}

/* Modes of the box's terminal are set by its master. What the caller's terminal does to what is written is not done twice. */
static void process_output(struct terminal *terminal, bool on)
{
	struct termios modes;

	if (terminal->plain != on || tcgetattr(terminal->master, &modes))
		return;
	terminal->plain = !on && modes.c_oflag & OPOST;
	if (on == !(modes.c_oflag & OPOST)) {
		modes.c_oflag ^= OPOST;
		tcsetattr(terminal->master, TCSANOW, &modes);
	}
}

/* Whether it has another size now. */
static bool take_size(struct terminal *terminal)
{
	struct winsize size;

	if (ioctl(terminal->caller->terminal, TIOCGWINSZ, &size) || !memcmp(&size, &terminal->size, sizeof size))
		return false;
	terminal->size = size;
	return ioctl(terminal->master, TIOCSWINSZ, &size) == 0;
}

/* A write to a terminal that is stopped (Ctrl-S) must not stop us, and O_NONBLOCK on the caller's open file would be others' too. Another
 * user's (su) cannot be opened. */
static int open_outside(const struct caller *caller)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", caller->terminal);
	int fd = above_standard(open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
	return fd >= 0 ? fd : fcntl(caller->terminal, F_DUPFD_CLOEXEC, 3);
}

void terminal_begin(struct terminal *terminal, const struct caller *caller, struct channel *control)
{
	terminal->caller = caller;
	terminal->control = control;
	terminal->master = terminal->outside = -1;
}

void terminal_close_master(struct terminal *terminal)
{
	close_kept(terminal->master);
	terminal->master = -1;
	terminal->in_size = 0;
}

bool terminal_open(struct terminal *terminal, int master)
{
	unsigned number;
	struct stat output;

	if (terminal->master >= 0 || ioctl(master, TIOCGPTN, &number)) {
		close_kept(master);
		return false;
	}
	terminal->master = master;
	terminal->leads = caller_at_terminal(terminal->caller, 0);
	terminal->over = terminal->plain = false;
	terminal->alone = fstat(1, &output) || !(S_ISFIFO(output.st_mode) || S_ISSOCK(output.st_mode));
	fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
	if (terminal->outside < 0)
		terminal->outside = open_outside(terminal->caller);
	if (!terminal->known)
		terminal->known = tcgetattr(terminal->caller->terminal, &terminal->before) == 0;
	memset(&terminal->size, 0, sizeof terminal->size);
	take_size(terminal);
	struct termios modes = terminal->before;
	if (!terminal->leads)
		cfmakeraw(&modes);
	if (terminal->known)
		tcsetattr(master, TCSANOW, &modes);
	process_output(terminal, false);
	return true;
}

/* Puts the payload in front: the caller's terminal is raw from now on. False: it cannot be, now or at all. */
static bool engage(struct terminal *terminal)
{
	if (!terminal_leads(terminal) || !terminal->known || terminal->over || !terminal_in_front(terminal))
		return false;
	if (!terminal->engaged) {
		struct termios raw = terminal->before;
		cfmakeraw(&raw);
		tcsetattr(terminal->caller->terminal, TCSANOW, &raw);
		terminal->engaged = true;
		process_output(terminal, true);
		take_size(terminal);
	}
	tell_in_front(terminal, true);
	return true;
}

void terminal_disengage(struct terminal *terminal)
{
	if (!terminal->engaged)
		return;
	terminal->engaged = false;
	if (terminal_in_front(terminal))
		tcsetattr(terminal->caller->terminal, TCSANOW, &terminal->before);
	if (terminal->master >= 0) {
		process_output(terminal, false);
		tell_in_front(terminal, false);
	}
}

void terminal_give(struct terminal *terminal, bool first)
{
	if (first || caller_at_terminal(terminal->caller, 1))
		engage(terminal);
}

/* Returns when this process goes on. `whom`: kill(2)'s. */
static void stop_with(pid_t whom, int signo)
{
	kill(whom, signo);
	sig_set_mask(SIG_EVERY & ~SIG_BIT(signo));
	sig_set_mask(SIG_EVERY);
}

/* Stops this process by the payload's signal, with the caller's modes restored; engages again after SIGCONT. */
static void stop_as(struct terminal *terminal, int signo)
{
	bool was_engaged = terminal->engaged, asks = signo == SIGTTIN || signo == SIGTTOU;

	terminal_disengage(terminal);
	/* what the kernel sends for a key, or for a read in the background, all of our group get */
	stop_with(asks || (was_engaged && signo == SIGTSTP) ? 0 : getpid(), signo);
	if (was_engaged)
		engage(terminal);
}

void terminal_continue(struct terminal *terminal)
{
	bool was_engaged = terminal->engaged;

	if (!terminal_leads(terminal))
		return;
	terminal->engaged = false;
	if (was_engaged && !engage(terminal))
		tell_in_front(terminal, false);
	continue_payload(terminal);
}

/* Gives end of file, as a terminal that is gone does, to a payload that would read for ever. */
static void end_input(struct terminal *terminal)
{
	tell_in_front(terminal, true);
	if (write(terminal->master, &terminal->before.c_cc[VEOF], 1) < 0)
		terminal_close_master(terminal);
}

void terminal_stopped(struct terminal *terminal, int signo, bool several)
{
	bool asks = signo == SIGTTIN || signo == SIGTTOU;

	/* of several the others go on, and a caller that stops all of them stops this process too */
	if (!terminal_leads(terminal) || (several && !asks && !terminal->engaged))
		return;
	if (!asks || !engage(terminal)) {
		if (asks && is_orphan())
			end_input(terminal);
		else
			stop_as(terminal, signo);
		if (asks)
			engage(terminal);
	}
	continue_payload(terminal);
}

bool terminal_suspend(const struct terminal *terminal, int signo)
{
	if (terminal->caller->terminal < 0 || terminal->engaged)
		return false;
	stop_with(getpid(), signo);
	return true;
}

bool terminal_resized(struct terminal *terminal)
{
	return terminal->master >= 0 && take_size(terminal) && terminal->engaged;
}

void terminal_end(struct terminal *terminal)
{
	terminal->out_size = 0;
	terminal_close_master(terminal);
	terminal_disengage(terminal);
}

void terminal_cook(const struct terminal *terminal, bool on)
{
	struct termios modes;

	if (!terminal->engaged || tcgetattr(terminal->caller->terminal, &modes))
		return;
	modes.c_oflag = on ? terminal->before.c_oflag : modes.c_oflag & ~(tcflag_t)OPOST;
	tcsetattr(terminal->caller->terminal, TCSANOW, &modes);
}
