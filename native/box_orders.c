/* See box_orders.h. */
#include "box_orders.h"

#include <signal.h>

/* Sends `G` once it was asked for and the box is ready. */
static void send_go(struct box *box)
{
	if (!box->go_wanted || box->go_sent || !box->ready || box->killed)
		return;
	box->go_sent = true;
	box->job.launched_once = true;
	terminal_give(box->job.terminal);
	box_send(box, 'G');
}

/* Sends `G` for the last start that the application was given. */
static void send_start(struct box *box, size_t index)
{
	struct message message;

	box->go_sent = true;
	box->job.launched_once = true;
	message_begin(&message, 'G');
	message_add_number(&message, (long long)index);
	message_add_number(&message, box->seats[index].given);
	channel_send(&box->control, &message);
}

/* A start that was ordered before is a repetition; one too many, or too early, would run an application twice. */
static bool start_one(struct box *box, struct frame *frame)
{
	size_t index;
	struct seat *seat = box_seat(box, frame, &index);
	long start;

	if (!seat || !frame_number(frame, 1, __LONG_MAX__, &start))
		return false;
	if (start <= seat->given || box->wound_up || box->killed)
		return true;
	if (start != seat->given + 1 || seat->busy)
		return false;
	seat->given = start;
	seat->busy = true;
	seat->status = SIGKILL;
	if (box->ready)
		send_start(box, index);
	return true;
}

bool box_go(struct box *box, struct frame *frame)
{
	if (!box->there)
		return true;
	if (box->several)
		return start_one(box, frame);
	box->go_wanted = true;
	send_go(box);
	return true;
}

/* To init, about one application. Of a box that is gone nothing runs, as of one that is not yet ready. `signo` 0: none is sent along. */
static bool tell_one(struct box *box, char tag, int signo, struct frame *frame)
{
	struct message message;
	size_t index;

	if (!box->there)
		return true;
	if (!box_seat(box, frame, &index))
		return false;
	if (!box->ready)
		return true;
	message_begin(&message, tag);
	if (signo)
		message_add_number(&message, signo);
	message_add_number(&message, (long long)index);
	channel_send(&box->control, &message);
	return true;
}

bool box_signal_one(struct box *box, int signo, struct frame *frame)
{
	return tell_one(box, 'K', signo, frame);
}

bool box_kill_one(struct box *box, struct frame *frame)
{
	return tell_one(box, 'A', 0, frame);
}

void box_wind_up(struct box *box)
{
	if (!box->there || !box->several || box->wound_up)
		return;
	box->wound_up = true;
	if (box->ready)
		box_send(box, 'W');
}

void box_pass_orders(struct box *box)
{
	send_go(box);
	for (size_t i = 0; i < box->launch.command_count; i++)
		if (box->seats[i].busy && !box->killed)
			send_start(box, i);
	if (box->wound_up)
		box_send(box, 'W');
}

void box_end_services(struct box *box)
{
	bool any = false;

	for (size_t i = 0; box->seats && i < box->launch.command_count; i++) {
		if (!box->seats[i].busy)
			continue;
		if (!box->launch.commands[i].service)
			return;
		any = true;
	}
	if (any)
		box_kill(box);
}
