/* See orders.h; what each frame means is in the README, brain → front. A function that takes a frame returns false where the brain has
 * broken the protocol. */
#include "orders.h"
#include "box_orders.h"
#include "box_signals.h"
#include "box_start.h"
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

/* Kind and number of `Q` and `O`, as a raw status. */
static bool quit_status(const struct talk *talk, struct frame *frame, int *status)
{
	const char *kind = frame_string(frame);
	long number;

	if (!kind)
		return false;
	if (talk->over && !strcmp(kind, "over"))
		*status = talk->over_status;
	else if (!strcmp(kind, "code") && frame_number(frame, 0, 255, &number))
		*status = (int)number << 8;
	else if (!strcmp(kind, "signal") && frame_number(frame, 1, SIG_LAST, &number))
		*status = (int)number;
	else if (strcmp(kind, "status") || !frame_status(frame, status))
		return false;
	return true;
}

/* `Q`: kills the box and ends the front with the given status. */
static bool take_quit(struct front *front, struct frame *frame)
{
	int status;

	if (!quit_status(&front->talk, frame, &status))
		return false;
	box_kill(&front->box);
	ending_with(&front->ending, status);
	return true;
}

/* All is told, also to the batch system: a brain that follows has only to remove what this one keeps. */
static bool take_over(struct talk *talk, struct frame *frame)
{
	if (!talk->directory || !quit_status(talk, frame, &talk->over_status))
		return false;
	talk->over = true;
	return true;
}

/* `S`: keeps the state directory. From now on another brain follows one that dies. */
static bool take_state(struct talk *talk, struct frame *frame)
{
	const char *directory = frame_string(frame);

	if (!directory || !*directory)
		return false;
	free(talk->directory);
	talk->directory = xmemdup(directory, strlen(directory) + 1);
	return true;
}

/* The brain could not be executed: no other one could. */
static bool take_not_executed(struct front *front, struct frame *frame)
{
	const char *path;
	long error;

	if (!frame_number(frame, 0, 4095, &error) || !(path = frame_string(frame)))
		return false;
	char *why = xprintf("cannot execute %s: %s", path, strerror((int)error));
	succession_ends(front, why);
	free(why);
	return true;
}

/* `Y`: writes a line to descriptor 2, unless the payload may have it already. */
static bool take_say(const struct box *box, struct frame *frame)
{
	const char *text = frame_string(frame);

	if (text && !box->job.launched_once)
		ending_say(text);
	return text;
}

/* `C`: closes the caller's descriptor 1 or 2, which the brain no longer needs. */
static bool take_drop(struct talk *talk, struct frame *frame)
{
	long descriptor;

	if (!frame_number(frame, 1, 2, &descriptor))
		return false;
	speech_drop(&talk->speech, (int)descriptor);
	return true;
}

/* `K`: signals the payload, or with an index one application. */
static bool take_signal_order(struct box *box, struct frame *frame)
{
	long signo;

	if (!frame_number(frame, 1, SIG_LAST, &signo))
		return false;
	if (frame->at < frame->end)
		return box_signal_one(box, (int)signo, frame);
	box_signal(box, (int)signo, false);
	return true;
}

/* `A`: kills the box, or with an index one application. */
static bool take_kill_order(struct box *box, struct frame *frame)
{
	if (frame->at < frame->end)
		return box_kill_one(box, frame);
	box_kill(box);
	return true;
}

/* `L`: launches a box. */
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
	case 'S':
		return take_state(&front->talk, frame);
	case 'L':
		return take_launch(front, frame);
	case 'D':
		return take_replace(front, frame);
	case 'G':
		return box_go(&front->box, frame);
	case 'C':
		return take_drop(&front->talk, frame);
	case 'K':
		return take_signal_order(&front->box, frame);
	case 'A':
		return take_kill_order(&front->box, frame);
	case 'V':
		return patience_take(&front->patience, &front->box, frame);
	case 'W':
		box_wind_up(&front->box);
		return true;
	case 'T':
		talk_send_time(&front->talk);
		return true;
	case 'Y':
		return take_say(&front->box, frame);
	case 'O':
		return take_over(&front->talk, frame);
	case 'Q':
		return take_quit(front, frame);
	case '!':
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

	if (front->ending.due) { /* after `Q` there is nothing more to say */
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
