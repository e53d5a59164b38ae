/* Job control, where the caller's descriptor 0 is its terminal: the payload leads a group of its own, which must be in
 * front for Ctrl-C to reach it and for reads to work; a shell above must see us stop when the payload stops. */
#include "state.h"

#include <signal.h>
#include <unistd.h>

static bool at_terminal(const struct front *front)
{
	return front->caller->terminal >= 0 && front->box.there && front->box.payload;
}

/* All signals are blocked, so no SIGTTOU comes back from a background group. */
void terminal_give(struct front *front)
{
	if (at_terminal(front) && tcgetpgrp(front->caller->terminal) == getpgrp())
		tcsetpgrp(front->caller->terminal, front->box.payload);
}

void terminal_take(struct front *front)
{
	if (at_terminal(front) && tcgetpgrp(front->caller->terminal) == front->box.payload)
		tcsetpgrp(front->caller->terminal, getpgrp());
}

void terminal_continue(struct front *front)
{
	struct message message;

	if (!at_terminal(front))
		return;
	terminal_give(front);
	message_begin(&message, 'k'); /* the whole group was stopped */
	message_add_number(&message, SIGCONT);
	channel_send(&front->box.control, &message);
}

/* Stops as the payload did. In an orphaned group the kernel does not stop anybody for SIGTSTP and the like: then this
 * returns at once, and the payload goes on, as it would have without us. */
void terminal_stopped(struct front *front, int signo)
{
	if (!at_terminal(front))
		return;
	terminal_take(front);
	kill(getpid(), signo);
	sig_set_mask(SIG_EVERY & ~SIG_BIT(signo));
	sig_set_mask(SIG_EVERY);
	terminal_continue(front);
}

/* Of several applications none is in front: what is typed comes to us. They are in groups of their own, which the kernel
 * stops also where it does not stop ours. */
void terminal_suspend(struct front *front, int signo)
{
	if (front->caller->terminal < 0)
		return;
	kill(getpid(), signo);
	sig_set_mask(SIG_EVERY & ~SIG_BIT(signo));
	sig_set_mask(SIG_EVERY);
	box_signal(front, SIGCONT, false);
}
