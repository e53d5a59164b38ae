/* See orders.h; what each frame means is in the README, brain → front. A function that takes a frame returns false where the brain has
 * broken the protocol. */
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

static bool may_launch(const struct front *front)
{
	/* A payload runs once; another launch is for one that failed. */
	return !front->box.there && !front->box.job.launched_once;
}

/* As a raw status. False: it is to be as nobody has said. */
static bool ending_status(const struct talk *talk, const struct ending_field *ending, int *status)
{
	if (ending->kind == ENDING_OVER && !talk->over)
		return false;
	if (ending->kind == ENDING_OVER)
		*status = talk->over_status;
	else
		*status = ending->kind == ENDING_CODE ? (int)ending->value << 8 : (int)ending->value;
	return true;
}

/* Kills the box and ends the front with the given status. */
static bool take_quit(struct front *front, const struct frame *frame)
{
	struct quit_frame quit;
	int status;

	if (!read_quit_frame(frame, &quit) || !ending_status(&front->talk, &quit.ending, &status))
		return false;
	box_kill(&front->box);
	ending_with(&front->ending, status);
	return true;
}

/* All is told, also to the batch system: a brain that follows has only to remove what this one keeps. */
static bool take_over(struct talk *talk, const struct frame *frame)
{
	struct over_frame over;

	if (!talk->directory || !read_over_frame(frame, &over) || !ending_status(talk, &over.ending, &talk->over_status))
		return false;
	talk->over = true;
	return true;
}

/* Keeps the state directory. From now on another brain follows one that dies. */
static bool take_state(struct talk *talk, const struct frame *frame)
{
	struct state_frame state;

	if (!read_state_frame(frame, &state))
		return false;
	text_replace(&talk->directory, state.directory);
	return true;
}

/* The brain could not be executed: no other one could. */
static bool take_not_executed(struct front *front, const struct frame *frame)
{
	struct not_executed_frame failure;

	if (!read_not_executed_frame(frame, &failure))
		return false;
	char *why = xprintf("cannot execute %s: %s", failure.path, strerror((int)failure.error));
	succession_ends(front, why);
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

/* Closes the caller's descriptor 1 or 2, which the brain no longer needs. */
static bool take_close(struct talk *talk, const struct frame *frame)
{
	struct close_frame order;

	if (!read_close_frame(frame, &order))
		return false;
	speech_drop(&talk->speech, (int)order.descriptor);
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
static bool take_launch(struct front *front, struct frame *frame)
{
	if (!may_launch(front))
		return false;
	talk_forget_told(&front->talk); /* a brain that follows is told of this launch, not of one that failed */
	box_launch(&front->box, frame);
	return true;
}

/* Returns only when the payload could not be executed. */
static bool take_replace(struct front *front, struct frame *frame)
{
	if (!may_launch(front))
		return false;
	char *wrong = replace_front(&front->box, frame);
	ending_failed(&front->ending, xprintf("the payload was not executed: %s", wrong));
	ending_with(&front->ending, EXIT_NOT_EXECUTED << 8);
	free(wrong);
	return true;
}

/* Takes one frame. */
static bool take_order(struct front *front, struct frame *frame)
{
	switch (frame->tag) {
	case FRAME_STATE:
		return take_state(&front->talk, frame);
	case FRAME_LAUNCH:
		return take_launch(front, frame);
	case FRAME_REPLACE:
		return take_replace(front, frame);
	case FRAME_GO:
		return box_go(&front->box, frame);
	case FRAME_CLOSE:
		return take_close(&front->talk, frame);
	case FRAME_SIGNAL:
		return take_signal_order(&front->box, frame);
	case FRAME_KILL:
		return take_kill_order(&front->box, frame);
	case FRAME_DOING:
		return patience_take(&front->patience, &front->box, frame);
	case FRAME_WIND_UP:
		box_wind_up(&front->box);
		return true;
	case FRAME_ASK_TIME:
		talk_send_time(&front->talk);
		return true;
	case FRAME_SAY:
		return take_say(&front->box, frame);
	case FRAME_OVER:
		return take_over(&front->talk, frame);
	case FRAME_QUIT:
		return take_quit(front, frame);
	case FRAME_NOT_EXECUTED:
		return take_not_executed(front, frame);
	default:
		return false;
	}
}

/* Takes what frames there are. False when the brain broke the protocol. */
static bool take_orders(struct front *front)
{
	struct talk *talk = &front->talk;
	pid_t pid = talk->pid;
	struct frame frame;
	enum frame_got got;

	while ((got = channel_next(&talk->channel, &frame)) == FRAME_WHOLE) {
		talk->speech.held = false;
		if (!take_order(front, &frame))
			return false;
		if (front->ending.due || talk->pid != pid)
			return true; /* the frame was the last one that counts */
	}
	return got == FRAME_NONE;
}

void orders_read(struct front *front)
{
	struct talk *talk = &front->talk;
	pid_t pid = talk->pid;
	int status = -1;

	if (front->ending.due) { /* after `quit` there is nothing more to say */
		channel_close(&talk->channel);
		return;
	}
	enum channel_got received = channel_receive(&talk->channel);
	if (!take_orders(front)) {
		succession_lost(front, "the brain broke the protocol");
		return;
	}
	if (received != CHANNEL_END || talk->pid != pid || front->ending.due)
		return;
	bool had_no_job = talk->command_line && !talk->directory && talk_await_end(talk, &status) && succession_was_no_job(front, status);
	if (!had_no_job)
		succession_lost(front, "the brain died");
}

void orders_brain_reaped(struct front *front, int status)
{
	struct talk *talk = &front->talk;
	pid_t pid = talk->pid;

	talk->reaped = true;
	/* Its last words may be in the socket still. Without an end there (somebody has inherited the other side), the
	 * brain is dead all the same. */
	while (talk->pid == pid && talk->channel.fd >= 0 && !front->ending.due) {
		if (channel_receive(&talk->channel) != CHANNEL_BYTES) {
			if (!succession_was_no_job(front, status))
				succession_lost(front, "the brain died");
			return;
		}
		if (!take_orders(front)) {
			succession_lost(front, "the brain broke the protocol");
			return;
		}
	}
}
