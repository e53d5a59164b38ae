/* See orders.h; what each frame means is in the README, supervisor → shim. A function that takes a frame returns false where the supervisor
 * has broken the protocol. */
#include "orders.h"
#include "box_orders.h"
#include "box_signals.h"
#include "box_start.h"
#include "generated/protocol.h"
#include "list.h"
#include "replace.h"
#include "succession.h"
#include "util.h"

#include <stdlib.h>
#include <string.h>

static bool may_launch(const struct shim *shim)
{
	/* A payload runs once; another launch is for one that failed. */
	return !shim->box.there && !shim->box.job.launched_once;
}

/* As a raw status. */
static int raw_status(const struct ending_field *ending)
{
	return ending->kind == ENDING_CODE ? (int)ending->value << 8 : (int)ending->value;
}

/* Kills the box and ends the shim with the given status. */
static bool take_quit(struct shim *shim, const struct frame *frame)
{
	struct quit_frame quit;

	if (!read_quit_frame(frame, &quit))
		return false;
	box_kill(&shim->box);
	if (*quit.last)
		text_replace(&shim->link.goes_last, quit.last);
	ending_with(&shim->ending, raw_status(&quit.ending));
	return true;
}

/* Keeps the state directory. From now on another supervisor follows one that dies. */
static bool take_state(struct supervisor_link *link, const struct frame *frame)
{
	struct state_frame state;

	if (!read_state_frame(frame, &state))
		return false;
	text_replace(&link->directory, state.directory);
	return true;
}

/* The supervisor could not be executed: no other one could. */
static bool take_not_executed(struct shim *shim, const struct frame *frame)
{
	struct not_executed_frame failure;

	if (!read_not_executed_frame(frame, &failure))
		return false;
	char *why = xprintf("cannot execute %s: %s", failure.path, strerror((int)failure.error));
	succession_ends(shim, why);
	free(why);
	return true;
}

/* Writes a line to descriptor 2, unless the payload may have it already. */
static bool take_say(const struct box *box, const struct frame *frame)
{
	struct say_frame say;

	if (!read_say_frame(frame, &say))
		return false;
	if (!box->job.launched_once)
		ending_say(say.text);
	return true;
}

/* Closes the caller's descriptor 1 or 2, which the supervisor no longer needs. */
static bool take_close(struct supervisor_link *link, const struct frame *frame)
{
	struct close_frame order;

	if (!read_close_frame(frame, &order))
		return false;
	stdio_relay_drop(&link->stdio, (int)order.descriptor);
	return true;
}

/* Signals the payload, or with an index one application. */
static bool take_signal_order(struct box *box, const struct frame *frame)
{
	struct signal_frame order;

	if (!read_signal_frame(frame, &order))
		return false;
	if (order.has_index)
		return box_signal_one(box, (int)order.signal, order.index);
	box_signal(box, (int)order.signal, false);
	return true;
}

/* Kills the box, or with an index one application. */
static bool take_kill_order(struct box *box, const struct frame *frame)
{
	struct kill_frame order;

	if (!read_kill_frame(frame, &order))
		return false;
	if (order.has_index)
		return box_kill_one(box, order.index);
	box_kill(box);
	return true;
}

/* Launches a box. */
static bool take_launch(struct shim *shim, struct frame *frame)
{
	if (!may_launch(shim))
		return false;
	supervisor_link_forget_told(&shim->link); /* a supervisor that follows is told of this launch, not of one that failed */
	box_launch(&shim->box, frame);
	return true;
}

/* Returns only when the payload could not be executed. */
static bool take_replace(struct shim *shim, struct frame *frame)
{
	if (!may_launch(shim))
		return false;
	char *wrong = replace_shim(&shim->box, frame);
	ending_failed(&shim->ending, xprintf("the payload was not executed: %s", wrong));
	ending_with(&shim->ending, EXIT_NOT_EXECUTED << 8);
	free(wrong);
	return true;
}

/* Takes one frame. */
static bool take_order(struct shim *shim, struct frame *frame)
{
	switch (frame->tag) {
	case FRAME_STATE:
		return take_state(&shim->link, frame);
	case FRAME_LAUNCH:
		return take_launch(shim, frame);
	case FRAME_REPLACE:
		return take_replace(shim, frame);
	case FRAME_GO:
		return box_go(&shim->box, frame);
	case FRAME_CLOSE:
		return take_close(&shim->link, frame);
	case FRAME_SIGNAL:
		return take_signal_order(&shim->box, frame);
	case FRAME_KILL:
		return take_kill_order(&shim->box, frame);
	case FRAME_DOING:
		return patience_take(&shim->patience, &shim->box, frame);
	case FRAME_WIND_UP:
		box_wind_up(&shim->box);
		return true;
	case FRAME_ASK_TIME:
		supervisor_link_send_time(&shim->link);
		return true;
	case FRAME_SAY:
		return take_say(&shim->box, frame);
	case FRAME_QUIT:
		return take_quit(shim, frame);
	case FRAME_NOT_EXECUTED:
		return take_not_executed(shim, frame);
	default:
		return false;
	}
}

/* Takes what frames there are. False when the supervisor broke the protocol. */
static bool take_orders(struct shim *shim)
{
	struct supervisor_link *link = &shim->link;
	pid_t pid = link->pid;
	struct frame frame;
	enum frame_got got;

	while ((got = channel_next(&link->channel, &frame)) == FRAME_WHOLE) {
		link->stdio.held = false;
		if (!take_order(shim, &frame))
			return false;
		if (shim->ending.due || link->pid != pid)
			return true; /* the frame was the last one that counts */
	}
	return got == FRAME_NONE;
}

void orders_read(struct shim *shim)
{
	struct supervisor_link *link = &shim->link;
	pid_t pid = link->pid;
	int status = -1;

	if (shim->ending.due) { /* after `quit` there is nothing more to say */
		channel_close(&link->channel);
		return;
	}
	enum channel_got received = channel_receive(&link->channel);
	if (!take_orders(shim)) {
		succession_lost(shim, "the supervisor broke the protocol");
		return;
	}
	if (received != CHANNEL_END || link->pid != pid || shim->ending.due)
		return;
	bool had_no_job = link->command_line && !link->directory && supervisor_link_await_end(link, &status) &&
			  succession_was_no_job(shim, status);
	if (!had_no_job)
		succession_lost(shim, "the supervisor died");
}

void orders_supervisor_reaped(struct shim *shim, int status)
{
	struct supervisor_link *link = &shim->link;
	pid_t pid = link->pid;

	link->reaped = true;
	/* Its last words may be in the socket still. Without an end there (another process has inherited the other side), the
	 * supervisor is dead all the same. */
	while (link->pid == pid && link->channel.fd >= 0 && !shim->ending.due) {
		if (channel_receive(&link->channel) != CHANNEL_BYTES) {
			if (!succession_was_no_job(shim, status))
				succession_lost(shim, "the supervisor died");
			return;
		}
		if (!take_orders(shim)) {
			succession_lost(shim, "the supervisor broke the protocol");
			return;
		}
	}
}
