/* See box_watch.h. A function that takes a frame returns false where init is not to be understood. */
#include "box_watch.h"
#include "box_orders.h"
#include "box_prepare.h"
#include "box_signals.h"
#include "step.h"
#include "util.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Copies the frame to the brain. Consumes its strings. */
static void pass_to_brain(struct box *box, struct frame *frame)
{
	struct message message;
	const char *string;

	message_begin(&message, frame->tag);
	while ((string = frame_string(frame)))
		message_add(&message, string);
	talk_tell(box->job.talk, &message);
}

/* `sender`: the payload's process, or of several init, which waits for orders. */
static void on_ready(struct box *box, pid_t sender)
{
	struct message message;

	box->ready = true;
	box_forget_preparations(box);
	message_begin(&message, 'R');
	message_add_number(&message, box->init);
	if (!box->several) {
		box->payload = sender;
		message_add_number(&message, sender);
	}
	talk_tell(box->job.talk, &message);
	box_pass_orders(box);
}

/* Once for a box. */
static void on_first_executed(struct box *box)
{
	box->executed = true;
	/* The payload has them. A reader of a pipe that the payload closes must see the end. */
	caller_release(box->job.caller);
	box_forward_kept(box);
	step(box->launch.pause, "front-running", -1);
}

/* A keeper says itself which process it is. */
static void on_one_executed(struct box *box, struct frame *frame, size_t index)
{
	struct message message;

	message_begin(&message, 'X');
	message_add(&message, frame_string(frame));
	message_add_number(&message, (long long)index);
	message_add_number(&message, box->seats[index].given);
	message_add_number(&message, frame->sender);
	talk_tell(box->job.talk, &message);
	box->may_have_run = true;
	if (!box->executed)
		on_first_executed(box);
}

/* The seat whose index and running start are the last strings of the frame, after as many others. */
static struct seat *busy_seat(struct box *box, struct frame frame, int others, size_t *index)
{
	struct seat *seat;
	long start;

	while (others-- > 0)
		if (!frame_string(&frame))
			return NULL;
	seat = box_seat(box, &frame, index);
	return seat && seat->busy && frame_number(&frame, seat->given, seat->given, &start) ? seat : NULL;
}

/* `F` of one start: the application was not executed. */
static bool on_one_failed(struct box *box, struct frame *frame)
{
	size_t index;
	struct seat *seat = busy_seat(box, *frame, 3, &index);

	if (!seat)
		return false;
	seat->busy = false;
	seat->status = EXIT_NOT_EXECUTED << 8;
	pass_to_brain(box, frame);
	return true;
}

/* `Z`: one start has ended and left no process. */
static bool on_one_ended(struct box *box, struct frame *frame)
{
	struct frame copy = *frame;
	size_t index;
	struct seat *seat = busy_seat(box, *frame, 0, &index);
	int status;

	frame_string(&copy);
	frame_string(&copy);
	if (!seat || !frame_status(&copy, &status))
		return false;
	seat->busy = false;
	seat->status = status;
	box->may_have_run = true;
	pass_to_brain(box, frame);
	return true;
}

/* `E`: the payload, or all applications, have ended. */
static bool on_ended(struct box *box, struct frame *frame)
{
	struct frame copy = *frame;
	int status;

	if (!frame_status(&copy, &status))
		return false;
	box->ended = true;
	if (!box->several)
		box->status = status;
	else if (!box->may_have_run)
		box->job.launched_once = false;
	box->job.any_ended = true;
	pass_to_brain(box, frame);
	step(box->launch.pause, "front-ended", -1);
	return true;
}

/* `F`: the payload was not executed. */
static bool on_failed(struct box *box, struct frame *frame)
{
	if (box->failed || box->executed)
		return false;
	box->failed = true;
	if (box->go_sent) /* init says that it did not run */
		box->job.launched_once = false;
	pass_to_brain(box, frame);
	return true;
}

/* `S`: the payload has stopped at its terminal. */
static bool on_stopped(struct box *box, struct frame *frame)
{
	long signo;

	if (!frame_number(frame, 1, SIG_LAST, &signo))
		return false;
	terminal_stopped(box->job.terminal, (int)signo, box->several);
	return true;
}

/* What init of several says once it is ready. */
static bool take_application_frame(struct box *box, struct frame *frame)
{
	size_t index;

	switch (frame->tag) {
	case 'X':
		if (!busy_seat(box, *frame, 1, &index))
			return false;
		on_one_executed(box, frame, index);
		return true;
	case 'F':
		return on_one_failed(box, frame);
	case 'Z':
		return on_one_ended(box, frame);
	case 'E':
		return !box->ended && on_ended(box, frame);
	case 'L':
		return box->limited = true;
	case 'S':
		on_stopped(box, frame); /* a keeper's words, which init passes on as they are */
		return true;
	default:
		return false;
	}
}

/* Takes one frame. */
static bool take_init_frame(struct box *box, struct frame *frame)
{
	if (box->several && box->ready)
		return take_application_frame(box, frame);
	switch (frame->tag) {
	case 'I':
		if (box->init)
			return false;
		box->init = frame->sender;
		box_prepare(box);
		return true;
	case 'M':
		return box->init && !box->ready && terminal_open(box->job.terminal, channel_take_fd(&box->control));
	case 'R':
		if (!box->init || box->ready)
			return false;
		on_ready(box, frame->sender);
		return true;
	case 'X':
		if (!box->go_sent || box->executed)
			return false;
		pass_to_brain(box, frame);
		on_first_executed(box);
		return true;
	case 'F':
		return on_failed(box, frame);
	case 'E':
		return box->executed && !box->ended && on_ended(box, frame);
	case 'L':
		return box->limited = true;
	case 'S':
		return on_stopped(box, frame);
	default:
		return false;
	}
}

void box_read(struct box *box)
{
	struct channel *control = &box->control;
	enum channel_got received = channel_receive(control);
	struct frame frame;
	enum frame_got got;

	while ((got = channel_next(control, &frame)) == FRAME_WHOLE)
		if (!take_init_frame(box, &frame))
			break;
	if (received == CHANNEL_END || got != FRAME_NONE)
		channel_close(control);
}

void box_read_errors(struct box *box)
{
	char buffer[4096];
	ssize_t n;

	while (box->errors >= 0 && (n = read(box->errors, buffer, sizeof buffer)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return; /* nothing at the moment */
		size_t room = ENGINE_ERRORS - box->errors_size;
		size_t taken = (size_t)n < room ? (size_t)n : room;
		memcpy(box->errors_text + box->errors_size, buffer, taken);
		box->errors_size += taken;
	}
	close_once(&box->errors);
}
