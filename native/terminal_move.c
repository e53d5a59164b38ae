/* See terminal_move.h. */
#include "terminal_move.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* A shell that puts this group in front sends no signal to a process that runs already: so it looks. */
enum { FOREGROUND_LOOK_MS = 1000 };

int terminal_wanted(const struct terminal *terminal, bool executed, struct pollfd ready[TERMINAL_POLLS])
{
	/* a process that waits for input by poll(2) is stopped only when there is some */
	bool may_listen = terminal_leads(terminal) && terminal->alone && !terminal->over && executed;
	bool listens = terminal->engaged || (may_listen && terminal_in_front(terminal));

	ready[0] = (struct pollfd){ .fd = terminal->master };
	ready[1] = (struct pollfd){ .fd = terminal->outside };
	ready[0].events = (terminal->out_size ? 0 : POLLIN) | (terminal->in_size ? POLLOUT : 0);
	ready[1].events = (terminal->out_size ? POLLOUT : 0) | (listens && !terminal->in_size ? POLLIN : 0);
	for (int i = 0; i < TERMINAL_POLLS; i++)
		if (!ready[i].events)
			ready[i].fd = -1; /* a hangup is reported unasked */
	return may_listen && !listens ? FOREGROUND_LOOK_MS : -1;
}

/* Whether a read(2) or write(2) that returned n may succeed later. */
static bool is_nothing_yet(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* The first n bytes are done: what is left is moved to the beginning. */
static void drop_first(char *bytes, size_t *size, ssize_t n)
{
	*size -= (size_t)n;
	memmove(bytes, bytes + n, *size);
}

/* Writes payload output to the caller's terminal. Drops it on an error. */
static void write_out(struct terminal *terminal)
{
	ssize_t n = terminal->out_size ? write(terminal->outside, terminal->out, terminal->out_size) : 0;

	if (n >= 0)
		drop_first(terminal->out, &terminal->out_size, n);
	else if (!is_nothing_yet(n))
		terminal->out_size = 0; /* it cannot be shown any more */
}

/* Init has the box's end open as long as it lives. */
static void read_out(struct terminal *terminal)
{
	ssize_t n = read(terminal->master, terminal->out, sizeof terminal->out);

	if (n > 0)
		terminal->out_size = (size_t)n;
	else if (!is_nothing_yet(n) || terminal->over)
		terminal_close_master(terminal);
}

/* Writes keys to the box's terminal. Drops them on an error. */
static void write_in(struct terminal *terminal)
{
	ssize_t n = write(terminal->master, terminal->in, terminal->in_size);

	if (n >= 0)
		drop_first(terminal->in, &terminal->in_size, n);
	else if (!is_nothing_yet(n))
		terminal->in_size = 0;
}

/* Keys, which go on at once; or the end of them. */
static void read_in(struct terminal *terminal, bool hung_up)
{
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
			terminal_close_master(terminal);
		terminal->engaged = false;
	}
}

void terminal_move(struct terminal *terminal, const struct pollfd ready[TERMINAL_POLLS])
{
	if (ready[1].revents && terminal->out_size)
		write_out(terminal);
	if (ready[0].revents && terminal->in_size)
		write_in(terminal);
	if (ready[1].revents & ~POLLOUT && terminal->master >= 0 && (terminal->engaged || ready[1].events & POLLIN) && !terminal->in_size)
		read_in(terminal, ready[1].revents & POLLHUP);
	if ((ready[0].revents & ~POLLOUT || terminal->over) && terminal->master >= 0 && !terminal->out_size) {
		read_out(terminal);
		write_out(terminal);
	}
}

void terminal_over(struct terminal *terminal)
{
	const struct pollfd nothing[TERMINAL_POLLS] = { 0 };

	terminal->over = true;
	terminal_move(terminal, nothing);
}

bool terminal_has_more(struct terminal *terminal, bool ending)
{
	if (terminal->out_size || (terminal->over && terminal->master >= 0))
		return true;
	if (terminal->over || ending)
		terminal_disengage(terminal);
	return false;
}
