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
	message_begin(&message, 'K');
	message_add_number(&message, signo);
	channel_send(&application->control, &message);
}

/* Nothing will be started any more. */
static void wind_up(struct applications *box)
{
	box->winding_up = true;
	/* A reader of the caller's output waits for the applications' ends of it only. */
	close_received(box->descriptors, box->descriptor_count);
	box->descriptor_count = 0;
}

/* Ends all applications: the front is gone, or broke the protocol. */
static void end_all(struct applications *box)
{
	box->ending = true;
	wind_up(box);
	for (size_t i = 0; i < box->count; i++)
		tell_end(&box->applications[i]);
}

/* The application whose index is next in the frame; NULL: there is none. */
static struct application *named(struct applications *box, struct frame *frame)
{
	long index;

	return frame_number(frame, 0, (long)box->count - 1, &index) ? &box->applications[index] : NULL;
}

/* `G`: starts an application. */
static bool take_start(struct applications *box, struct frame *frame)
{
	struct application *application = named(box, frame);
	long number;

	if (!application || application_is_busy(application) || box->winding_up ||
	    !frame_number(frame, application->start + 1, __LONG_MAX__, &number))
		return false;
	application->start = number;
	application_start(box, application);
	return true;
}

/* `K`: signals one application, or without an index all but services. */
static bool take_signal_of_front(struct applications *box, struct frame *frame)
{
	struct application *application;
	long signo;

	if (!frame_number(frame, 1, SIG_LAST, &signo))
		return false;
	if (frame->at == frame->end) {
		for (size_t i = 0; i < box->count; i++)
			if (!box->applications[i].payload->service)
				signal_keeper(&box->applications[i], (int)signo);
		return true;
	}
	if ((application = named(box, frame)))
		signal_keeper(application, (int)signo);
	return application;
}

/* Of the caller's terminal, to whom has it: `f`, `b`, and `k` with a signal. */
static bool take_terminal_order(struct applications *box, struct frame *frame)
{
	const char *string = frame_string(frame);

	for (size_t i = 0; i < box->count; i++) {
		struct application *application = &box->applications[i];
		struct message message;
		if (!application->payload->terminal || !application->keeper || application->told_end_us)
			continue;
		message_begin(&message, frame->tag);
		if (string)
			message_add(&message, string);
		channel_send(&application->control, &message);
	}
	return true;
}

/* Takes one frame. */
static bool take_front_frame(struct applications *box, struct frame *frame)
{
	struct application *application;

	switch (frame->tag) {
	case 'G':
		return take_start(box, frame);
	case 'K':
		return take_signal_of_front(box, frame);
	case 'A':
		if ((application = named(box, frame)))
			tell_end(application);
		return application;
	case 'f':
	case 'b':
	case 'k':
		return take_terminal_order(box, frame);
	case 'W':
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
		if (!take_front_frame(box, &frame))
			break;
	if (over || got != FRAME_NONE)
		end_all(box);
}
