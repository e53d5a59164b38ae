/* The caller's terminal, where one of its descriptors is that. The payload never gets it, but a pseudo-terminal of the box's own: here is what
 * goes from one to the other.
 *
 * A payload that has the terminal as descriptor 0 leads a session on the box's one. As long as it is in front (engaged), the caller's terminal
 * is raw: every key, Ctrl-C too, is the box's terminal's to interpret, and that has the modes that the caller's had. It is in front from
 * the start where descriptor 1 is the terminal too; else, and in the background, from when it reads or sets a mode: the kernel stops it for that (SIGTTIN, SIGTTOU).
 * Until then, and for payloads that have the terminal only for output, nothing of the caller's terminal is changed, since others may use it
 * (`tare run -- simulate | less`), and the box's one passes bytes on as they are. */
#include "state.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

/* A shell that puts us in front says nothing to who runs already. */
enum { LOOK_MS = 1000 };

static bool leads(const struct front *front)
{
	return front->terminal.master >= 0 && front->terminal.leads;
}

/* Of a terminal that is not our controlling one nobody is in front, and nobody else asks. */
static bool in_front(const struct front *front)
{
	pid_t foreground = tcgetpgrp(front->caller->terminal);

	return foreground < 0 || foreground == getpgrp();
}

/* Nobody would continue us: the kernel does not stop such a group. */
static bool is_orphan(void)
{
	return getsid(getppid()) != getsid(0);
}

static void tell(struct front *front, char tag, int signo)
{
	struct message message;

	message_begin(&message, tag);
	if (signo)
		message_add_number(&message, signo);
	channel_send(&front->box.control, &message);
}

static void continue_payload(struct front *front)
{
	tell(front, 'k', SIGCONT); /* the whole group was stopped */
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
static bool take_size(struct front *front)
{
	struct terminal *terminal = &front->terminal;
	struct winsize size;

	if (ioctl(front->caller->terminal, TIOCGWINSZ, &size) || !memcmp(&size, &terminal->size, sizeof size))
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

void terminal_begin(struct front *front)
{
	front->terminal.master = front->terminal.outside = -1;
}

static void close_master(struct terminal *terminal)
{
	close_kept(terminal->master);
	terminal->master = -1;
	terminal->in_size = 0;
}

bool terminal_open(struct front *front, int master)
{
	struct terminal *terminal = &front->terminal;
	unsigned number;
	struct stat output;

	if (terminal->master >= 0 || ioctl(master, TIOCGPTN, &number)) {
		close_kept(master);
		return false;
	}
	terminal->master = master;
	terminal->leads = caller_at_terminal(front->caller, 0);
	terminal->over = terminal->plain = false;
	terminal->alone = fstat(1, &output) || !(S_ISFIFO(output.st_mode) || S_ISSOCK(output.st_mode));
	fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
	if (terminal->outside < 0)
		terminal->outside = open_outside(front->caller);
	if (!terminal->known)
		terminal->known = tcgetattr(front->caller->terminal, &terminal->before) == 0;
	memset(&terminal->size, 0, sizeof terminal->size);
	take_size(front);
	struct termios modes = terminal->before;
	if (!terminal->leads)
		cfmakeraw(&modes);
	if (terminal->known)
		tcsetattr(master, TCSANOW, &modes);
	process_output(terminal, false);
	return true;
}

static bool engage(struct front *front)
{
	struct terminal *terminal = &front->terminal;

	if (!leads(front) || !terminal->known || terminal->over || !in_front(front))
		return false;
	if (!terminal->engaged) {
		struct termios raw = terminal->before;
		cfmakeraw(&raw);
		tcsetattr(front->caller->terminal, TCSANOW, &raw);
		terminal->engaged = true;
		process_output(terminal, true);
		take_size(front);
	}
	tell(front, 'f', 0);
	return true;
}

/* Where another group is in front the modes are its own. */
static void disengage(struct front *front)
{
	struct terminal *terminal = &front->terminal;

	if (!terminal->engaged)
		return;
	terminal->engaged = false;
	if (in_front(front))
		tcsetattr(front->caller->terminal, TCSANOW, &terminal->before);
	if (terminal->master >= 0) {
		process_output(terminal, false);
		tell(front, 'b', 0);
	}
}

/* Before it is let go: its first look at its terminal finds all as it stays. */
void terminal_give(struct front *front)
{
	if (caller_at_terminal(front->caller, 1))
		engage(front);
}

static void stop_as(struct front *front, int signo)
{
	bool was_engaged = front->terminal.engaged, asks = signo == SIGTTIN || signo == SIGTTOU;

	disengage(front);
	/* what the kernel sends for a key, or for a read in the background, all of our group get */
	kill(asks || (was_engaged && signo == SIGTSTP) ? 0 : getpid(), signo);
	sig_set_mask(SIG_EVERY & ~SIG_BIT(signo));
	sig_set_mask(SIG_EVERY);
	if (was_engaged)
		engage(front);
}

/* Somebody has set other modes, in all likelihood a shell. */
void terminal_continue(struct front *front)
{
	bool was_engaged = front->terminal.engaged;

	if (!leads(front))
		return;
	front->terminal.engaged = false;
	if (was_engaged && !engage(front))
		tell(front, 'b', 0);
	continue_payload(front);
}

/* As from a terminal that is gone, for a payload that would ask for ever. */
static void end_input(struct front *front)
{
	struct terminal *terminal = &front->terminal;

	tell(front, 'f', 0);
	if (write(terminal->master, &terminal->before.c_cc[VEOF], 1) < 0)
		close_master(terminal);
}

/* The payload has stopped. */
void terminal_stopped(struct front *front, int signo)
{
	bool asks = signo == SIGTTIN || signo == SIGTTOU;

	/* of several the others go on, and who stops all of them stops us too */
	if (!leads(front) || (front->box.several && !asks && !front->terminal.engaged))
		return;
	if (!asks || !engage(front)) {
		if (asks && is_orphan())
			end_input(front);
		else
			stop_as(front, signo);
		if (asks)
			engage(front);
	}
	continue_payload(front);
}

/* Of several applications none is in front until it asks: what is typed comes to us. They are in groups of their own, which the kernel
 * stops also where it does not stop ours. */
void terminal_suspend(struct front *front, int signo)
{
	if (front->caller->terminal < 0 || front->terminal.engaged)
		return;
	kill(getpid(), signo);
	sig_set_mask(SIG_EVERY & ~SIG_BIT(signo));
	sig_set_mask(SIG_EVERY);
	box_signal(front, SIGCONT, false);
}

bool terminal_resized(struct front *front)
{
	/* the kernel tells who is in front in the box */
	return front->terminal.master >= 0 && take_size(front) && front->terminal.engaged;
}

int terminal_wanted(const struct front *front, struct pollfd ready[TERMINAL_POLLS])
{
	const struct terminal *terminal = &front->terminal;
	/* who waits for input by poll(2) is not stopped before there is some */
	bool may_listen = leads(front) && terminal->alone && !terminal->over && front->box.executed;
	bool listens = terminal->engaged || (may_listen && in_front(front));

	ready[0] = (struct pollfd){ .fd = terminal->master };
	ready[1] = (struct pollfd){ .fd = terminal->outside };
	ready[0].events = (terminal->out_size ? 0 : POLLIN) | (terminal->in_size ? POLLOUT : 0);
	ready[1].events = (terminal->out_size ? POLLOUT : 0) | (listens && !terminal->in_size ? POLLIN : 0);
	for (int i = 0; i < TERMINAL_POLLS; i++)
		if (!ready[i].events)
			ready[i].fd = -1; /* a hangup is reported unasked */
	return may_listen && !listens ? LOOK_MS : -1;
}

static bool is_nothing_yet(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* What is left is moved to the front. */
static void took(char *bytes, size_t *size, ssize_t n)
{
	*size -= (size_t)n;
	memmove(bytes, bytes + n, *size);
}

static void write_out(struct terminal *terminal)
{
	ssize_t n = terminal->out_size ? write(terminal->outside, terminal->out, terminal->out_size) : 0;

	if (n >= 0)
		took(terminal->out, &terminal->out_size, n);
	else if (!is_nothing_yet(n))
		terminal->out_size = 0; /* nobody sees it any more */
}

/* Init has the box's end open as long as it lives. */
static void read_out(struct terminal *terminal)
{
	ssize_t n = read(terminal->master, terminal->out, sizeof terminal->out);

	if (n > 0)
		terminal->out_size = (size_t)n;
	else if (!is_nothing_yet(n) || terminal->over)
		close_master(terminal);
}

static void write_in(struct terminal *terminal)
{
	ssize_t n = write(terminal->master, terminal->in, terminal->in_size);

	if (n >= 0)
		took(terminal->in, &terminal->in_size, n);
	else if (!is_nothing_yet(n))
		terminal->in_size = 0;
}

static void read_in(struct front *front, bool hung_up)
{
	struct terminal *terminal = &front->terminal;
	ssize_t n = read(terminal->outside, terminal->in, sizeof terminal->in);

	if (n > 0) {
		terminal->in_size = (size_t)n;
		write_in(terminal);
	} else if (n == 0 && !hung_up && !terminal->engaged) {
		terminal->in[0] = (char)terminal->before.c_cc[VEOF]; /* of a line mode: it was typed */
		terminal->in_size = 1;
	} else if (!is_nothing_yet(n)) {
		terminal->alone = false;
		/* EIO: another group is in front; else it was hung up, and so is the box's */
		if (n == 0 && terminal->engaged)
			close_master(terminal);
		terminal->engaged = false;
	}
}

void terminal_move(struct front *front, const struct pollfd ready[TERMINAL_POLLS])
{
	struct terminal *terminal = &front->terminal;

	if (ready[1].revents && terminal->out_size)
		write_out(terminal);
	if (ready[0].revents && terminal->in_size)
		write_in(terminal);
	if (ready[1].revents & ~POLLOUT && terminal->master >= 0 && (terminal->engaged || ready[1].events & POLLIN) && !terminal->in_size)
		read_in(front, ready[1].revents & POLLHUP);
	if ((ready[0].revents & ~POLLOUT || terminal->over) && terminal->master >= 0 && !terminal->out_size) {
		read_out(terminal);
		write_out(terminal);
	}
}

/* All that it has written is in the kernel, and is passed on before anybody else speaks there. */
void terminal_over(struct front *front)
{
	const struct pollfd nothing[TERMINAL_POLLS] = { 0 };

	front->terminal.over = true;
	terminal_move(front, nothing);
}

bool terminal_has_more(struct front *front)
{
	struct terminal *terminal = &front->terminal;

	if (terminal->out_size || (terminal->over && terminal->master >= 0))
		return true;
	if (terminal->over || front->ending)
		disengage(front);
	return false;
}

void terminal_end(struct front *front)
{
	struct terminal *terminal = &front->terminal;

	terminal->out_size = 0;
	close_master(terminal);
	disengage(front);
}

/* Of the brain's, while the terminal is raw: as it was, but for the keys. */
void terminal_cook(struct front *front, bool on)
{
	struct termios modes;

	if (!front->terminal.engaged || tcgetattr(front->caller->terminal, &modes))
		return;
	modes.c_oflag = on ? front->terminal.before.c_oflag : modes.c_oflag & ~(tcflag_t)OPOST;
	tcsetattr(front->caller->terminal, TCSANOW, &modes);
}
