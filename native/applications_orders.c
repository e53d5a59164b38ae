/* See applications_orders.h. A function that takes a frame returns false where it is not to be understood. */
#include "applications_orders.h"
#include "applications_start.h"
#include "sig.h"
#include "util.h"

#include <sys/socket.h>

/* A keeper that does not read (it was stopped) loses signals from here on. */
enum { SIGNALS_MAX = 64 << 10 };

/* Its keeper kills what it keeps, reports and ends. */
static void tell_end(struct application *application)
{
	if (!application->keeper || application->told_end_us)
		return;
	application->told_end_us = monotonic_us();
	shutdown(application->control.fd, SHUT_WR);
}

/* Signals the application through its keeper, if it runs. Drops the signal when the keeper does not read. */
static void signal_keeper(struct application *application, int signo)
{
	struct message message;

	if (!application->keeper || application->told_end_us || application->control.out_size > SIGNALS_MAX)
		return;
	write_signal_frame(&message, &(struct signal_frame){ .signal = signo });
	channel_send(&application->control, &message);
}

/* From here on nothing is started. */
static void wind_up(struct applications *box)
{
	box->winding_up = true;
	/* A reader of the caller's output waits for the applications' ends of it only. */
	close_received(box->descriptors, box->descriptor_count);
	box->descriptor_count = 0;
}

/* Ends all applications: the shim is gone, or broke the protocol. */
static void end_all(struct applications *box)
{
	box->ending = true;
	wind_up(box);
	for (size_t i = 0; i < box->count; i++)
		tell_end(&box->applications[i]);
}

/* The application of that index; NULL: there is none. */
static struct application *named(struct applications *box, long index)
{
	return index < (long)box->count ? &box->applications[index] : NULL;
}

/* Starts an application. */
static bool take_start(struct applications *box, const struct frame *frame)
{
	struct go_frame go;

	if (!read_go_frame(frame, &go) || !go.application.given)
		return false;
	struct application *application = named(box, go.application.index);
	if (!application || application_is_busy(application) || box->winding_up || go.application.start <= application->start)
		return false;
	application->start = go.application.start;
	application_start(box, application);
	return true;
}

/* Signals one application, or without an index all but services. */
static bool take_signal_of_shim(struct applications *box, const struct frame *frame)
{
	struct signal_frame order;

	if (!read_signal_frame(frame, &order))
		return false;
	if (!order.has_index) {
		for (size_t i = 0; i < box->count; i++)
			if (!box->applications[i].payload->service)
				signal_keeper(&box->applications[i], (int)order.signal);
		return true;
	}
	struct application *application = named(box, order.index);
	if (application)
		signal_keeper(application, (int)order.signal);
	return application;
}

/* Ends one application. */
static bool take_kill_of_shim(struct applications *box, const struct frame *frame)
{
	struct kill_frame order;

	if (!read_kill_frame(frame, &order) || !order.has_index)
		return false;
	struct application *application = named(box, order.index);
	if (application)
		tell_end(application);
	return application;
}

/* Passes an order about the caller's terminal to the keeper that has it. */
static bool take_terminal_order(struct applications *box, const struct frame *frame)
{
	struct signal_group_frame order;

	if (frame->tag == FRAME_SIGNAL_GROUP && !read_signal_group_frame(frame, &order))
		return false;
	for (size_t i = 0; i < box->count; i++) {
		struct application *application = &box->applications[i];
		struct message message;
		if (!application->payload->terminal || !application->keeper || application->told_end_us)
			continue;
		if (frame->tag == FRAME_SIGNAL_GROUP)
			write_signal_group_frame(&message, &order);
		else
			message_begin(&message, frame->tag);
		channel_send(&application->control, &message);
	}
	return true;
}

/* Takes one frame. */
static bool take_shim_frame(struct applications *box, const struct frame *frame)
{
	switch (frame->tag) {
	case FRAME_GO:
		return take_start(box, frame);
	case FRAME_SIGNAL:
		return take_signal_of_shim(box, frame);
	case FRAME_KILL:
		return take_kill_of_shim(box, frame);
	case FRAME_FOREGROUND:
	case FRAME_BACKGROUND:
	case FRAME_SIGNAL_GROUP:
		return take_terminal_order(box, frame);
	case FRAME_WIND_UP:
		wind_up(box);
		return true;
	default:
		return false;
	}
}

void applications_read_orders(struct applications *box)
{
	struct frame frame;
	enum frame_got got;
	bool over = channel_receive(&box->control) == CHANNEL_END;

	while ((got = channel_next(&box->control, &frame)) == FRAME_WHOLE)
		if (!take_shim_frame(box, &frame))
			break;
	if (over || got != FRAME_NONE)
		end_all(box);
}
