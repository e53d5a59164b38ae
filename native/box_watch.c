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

/* Copies the frame to the supervisor, with strings that a later version may add. */
static void pass_to_supervisor(struct box *box, const struct frame *frame)
{
	struct frame rest = *frame;
	struct message message;
	const char *string;

	message_begin(&message, frame->tag);
	while ((string = frame_string(&rest)))
		message_add(&message, string);
	supervisor_link_tell(box->job.link, &message);
}

/* `sender`: the payload's process, or of several init, which waits for orders. */
static void on_ready(struct box *box, pid_t sender)
{
	struct ready_frame ready = { .init_pid = box->init, .has_payload_pid = !box->several, .payload_pid = sender };
	struct message message;

	box->ready = true;
	box_forget_preparations(box);
	if (!box->several)
		box->payload = sender;
	write_ready_frame(&message, &ready);
	supervisor_link_tell(box->job.link, &message);
	box_pass_orders(box);
}

/* Called once for a box. */
static void on_first_executed(struct box *box)
{
	box->executed = true;
	/* The payload has them. A reader of a pipe that the payload closes must see the end. */
	caller_release(box->job.caller);
	box_forward_kept(box);
	step(box->launch.pause, "shim-running", -1);
}

/* The slot of an application whose start is the one that runs; NULL: there is none. */
static struct app_slot *busy_app_slot(struct box *box, long index, long start)
{
	struct app_slot *slot = box_app_slot(box, index);

	return slot && slot->busy && start == slot->given ? slot : NULL;
}

/* A keeper says itself which process it is. */
static bool on_one_executed(struct box *box, const struct frame *frame)
{
	struct executed_frame executed;
	struct message message;

	if (!read_executed_frame(frame, &executed) || !executed.application.given ||
	    !busy_app_slot(box, executed.application.index, executed.application.start))
		return false;
	executed.has_keeper_pid = true;
	executed.keeper_pid = frame->sender;
	write_executed_frame(&message, &executed);
	supervisor_link_tell(box->job.link, &message);
	box->may_have_run = true;
	if (!box->executed)
		on_first_executed(box);
	return true;
}

/* One start failed: the application was not executed. */
static bool on_one_failed(struct box *box, const struct frame *frame)
{
	struct failed_frame failed;
	struct app_slot *slot;

	if (!read_failed_frame(frame, &failed) || !failed.application.given ||
	    !(slot = busy_app_slot(box, failed.application.index, failed.application.start)))
		return false;
	slot->busy = false;
	slot->status = EXIT_NOT_EXECUTED << 8;
	pass_to_supervisor(box, frame);
	return true;
}

/* One start has ended and left no process. */
static bool on_one_ended(struct box *box, const struct frame *frame)
{
	struct application_ended_frame ended;
	struct app_slot *slot;

	if (!read_application_ended_frame(frame, &ended) || !(slot = busy_app_slot(box, ended.application.index, ended.application.start)))
		return false;
	slot->busy = false;
	slot->status = ended.report.raw_status;
	box->may_have_run = true;
	pass_to_supervisor(box, frame);
	return true;
}

/* The payload, or all applications, have ended. */
static bool on_ended(struct box *box, const struct frame *frame)
{
	struct ended_frame ended;

	if (!read_ended_frame(frame, &ended))
		return false;
	box->ended = true;
	if (!box->several)
		box->status = ended.report.raw_status;
	else if (!box->may_have_run)
		box->job.launched_once = false;
	box->job.any_ended = true;
	pass_to_supervisor(box, frame);
	step(box->launch.pause, "shim-ended", -1);
	return true;
}

/* The payload was not executed. */
static bool on_failed(struct box *box, const struct frame *frame)
{
	struct failed_frame failed;

	if (box->failed || box->executed || !read_failed_frame(frame, &failed))
		return false;
	box->failed = true;
	if (box->go_sent) /* init says that it did not run */
		box->job.launched_once = false;
	pass_to_supervisor(box, frame);
	return true;
}

/* The payload's exec succeeded. */
static bool on_executed(struct box *box, const struct frame *frame)
{
	struct executed_frame executed;

	if (!box->go_sent || box->executed || !read_executed_frame(frame, &executed))
		return false;
	pass_to_supervisor(box, frame);
	on_first_executed(box);
	return true;
}

/* The payload has stopped at its terminal. */
static bool on_stopped(struct box *box, const struct frame *frame)
{
	struct stopped_frame stopped;

	if (!read_stopped_frame(frame, &stopped))
		return false;
	terminal_stopped(box->job.terminal, (int)stopped.signal, box->several);
	return true;
}

/* The kernel of a virtual machine has killed for memory. */
static bool on_memory_kills(struct box *box, const struct frame *frame)
{
	struct memory_kills_frame kills;

	if (!read_memory_kills_frame(frame, &kills))
		return false;
	box->memory_kills = kills.processes;
	return true;
}

/* What init of several says once it is ready. */
static bool take_application_frame(struct box *box, const struct frame *frame)
{
	switch (frame->tag) {
	case FRAME_EXECUTED:
		return on_one_executed(box, frame);
	case FRAME_FAILED:
		return on_one_failed(box, frame);
	case FRAME_APPLICATION_ENDED:
		return on_one_ended(box, frame);
	case FRAME_ENDED:
		return !box->ended && on_ended(box, frame);
	case FRAME_LIMITED:
		return box->limited = true;
	case FRAME_MEMORY_KILLS:
		return on_memory_kills(box, frame);
	case FRAME_STOPPED:
		on_stopped(box, frame); /* a keeper's words, which init passes on as they are */
		return true;
	default:
		return false;
	}
}

/* Takes one frame. */
static bool take_init_frame(struct box *box, const struct frame *frame)
{
	if (box->several && box->ready)
		return take_application_frame(box, frame);
	switch (frame->tag) {
	case FRAME_INIT_HERE:
		if (box->init)
			return false;
		box->init = frame->sender;
		box_prepare(box);
		return true;
	case FRAME_MASTER:
		return box->init && !box->ready && terminal_open(box->job.terminal, channel_take_fd(&box->control));
	case FRAME_WAITING:
		if (!box->init || box->ready)
			return false;
		on_ready(box, frame->sender);
		return true;
	case FRAME_EXECUTED:
		return on_executed(box, frame);
	case FRAME_FAILED:
		return on_failed(box, frame);
	case FRAME_ENDED:
		return box->executed && !box->ended && on_ended(box, frame);
	case FRAME_LIMITED:
		return box->limited = true;
	case FRAME_MEMORY_KILLS:
		return on_memory_kills(box, frame);
	case FRAME_STOPPED:
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
