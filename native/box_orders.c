/* See box_orders.h. */
#include "box_orders.h"

#include <signal.h>

/* Sends `go` once it was asked for and the box is ready. */
static void send_go(struct box *box)
{
	if (!box->go_wanted || box->go_sent || !box->ready || box->killed)
		return;
	box->go_sent = true;
	box->job.launched_once = true;
	terminal_give(box->job.terminal, launch_has_first(&box->launch));
	box_send(box, FRAME_GO);
}

/* Sends `go` for the last start that the application was given. */
static void send_start(struct box *box, size_t index)
{
	struct message message;

	box->go_sent = true;
	box->job.launched_once = true;
	write_go_frame(&message, &(struct go_frame){ .application = { true, (long)index, box->app_slots[index].given } });
	channel_send(&box->control, &message);
}

/* A start that was ordered before is a repetition; one too many, or too early, would run an application twice. */
static bool start_one(struct box *box, const struct go_frame *go)
{
	long start = go->application.start;
	struct app_slot *slot = go->application.given ? box_app_slot(box, go->application.index) : NULL;

	if (!slot)
		return false;
	if (start <= slot->given || box->wound_up || box->killed)
		return true;
	if (start != slot->given + 1 || slot->busy)
		return false;
	slot->given = start;
	slot->busy = true;
	slot->status = SIGKILL;
	if (box->ready)
		send_start(box, (size_t)go->application.index);
	return true;
}

bool box_go(struct box *box, const struct frame *frame)
{
	struct go_frame go;

	if (!read_go_frame(frame, &go))
		return false;
	if (!box->there)
		return true;
	if (box->several)
		return start_one(box, &go);
	box->go_wanted = true;
	send_go(box);
	return true;
}

bool box_signal_one(struct box *box, int signo, long index)
{
	struct message message;

	if (!box->there)
		return true;
	if (!box_app_slot(box, index))
		return false;
	if (!box->ready)
		return true;
	write_signal_frame(&message, &(struct signal_frame){ signo, true, index });
	channel_send(&box->control, &message);
	return true;
}

bool box_kill_one(struct box *box, long index)
{
	struct message message;

	if (!box->there)
		return true;
	if (!box_app_slot(box, index))
		return false;
	if (!box->ready)
		return true;
	write_kill_frame(&message, &(struct kill_frame){ true, index });
	channel_send(&box->control, &message);
	return true;
}

void box_wind_up(struct box *box)
{
	if (!box->there || !box->several || box->wound_up)
		return;
	box->wound_up = true;
	if (box->ready)
		box_send(box, FRAME_WIND_UP);
}

void box_pass_orders(struct box *box)
{
	send_go(box);
	for (size_t i = 0; i < box->launch.command_count; i++)
		if (box->app_slots[i].busy && !box->killed)
			send_start(box, i);
	if (box->wound_up)
		box_send(box, FRAME_WIND_UP);
}

void box_end_services(struct box *box)
{
	bool any = false;

	for (size_t i = 0; box->app_slots && i < box->launch.command_count; i++) {
		if (!box->app_slots[i].busy)
			continue;
		if (!box->launch.commands[i].service)
			return;
		any = true;
	}
	if (any)
		box_kill(box);
}
