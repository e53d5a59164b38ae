/* See machine_reports.h. */
#include "machine_reports.h"
#include "generated/protocol.h"
#include "machine_frames.h"
#include "util.h"

#include <signal.h>

void machine_reports_note_order(struct machine_reports *reports, const struct frame *frame)
{
	struct frame rest = *frame;
	struct go_frame go;

	if (frame->tag != FRAME_GO || !read_go_frame(&rest, &go) || !go.application.given)
		return;
	reports->ordered = xrealloc(reports->ordered, (reports->ordered_count + 1) * sizeof *reports->ordered);
	reports->ordered[reports->ordered_count++] = (struct ordered_start){ go.application.index, go.application.start };
}

/* That start is answered for. */
static void forget_start(struct machine_reports *reports, long index, long start)
{
	for (size_t i = 0; i < reports->ordered_count; i++)
		if (reports->ordered[i].index == index && reports->ordered[i].start == start)
			reports->ordered[i--] = reports->ordered[--reports->ordered_count];
}

/* A time of the machine's clock as one of the node's. */
static long node_time(const struct machine_reports *reports, long us)
{
	return us < 0 ? us : (long)(us + reports->offset_us);
}

static bool pass_executed(struct machine_reports *reports, struct channel *shim, const struct frame *frame)
{
	struct executed_frame executed;
	struct message message;

	if (!read_executed_frame(frame, &executed))
		return false;
	executed.at_us = node_time(reports, executed.at_us);
	write_executed_frame(&message, &executed);
	channel_send(shim, &message);
	return true;
}

static bool pass_application_ended(struct machine_reports *reports, struct channel *shim, const struct frame *frame)
{
	struct application_ended_frame ended;
	struct message message;

	if (!read_application_ended_frame(frame, &ended))
		return false;
	forget_start(reports, ended.application.index, ended.application.start);
	ended.report.ended_us = node_time(reports, ended.report.ended_us);
	write_application_ended_frame(&message, &ended);
	channel_send(shim, &message);
	return true;
}

static bool pass_ended(struct machine_reports *reports, struct channel *shim, const struct frame *frame)
{
	struct ended_frame ended;
	struct message message;

	if (!read_ended_frame(frame, &ended))
		return false;
	ended.report.ended_us = node_time(reports, ended.report.ended_us);
	write_ended_frame(&message, &ended);
	channel_send(shim, &message);
	return true;
}

/* Copies the frame to the shim, which looks at it as at init's. */
static void pass_as_it_is(struct channel *shim, const struct frame *frame)
{
	struct frame rest = *frame;
	struct message message;
	const char *string;

	message_begin(&message, frame->tag);
	while ((string = frame_string(&rest)))
		message_add(&message, string);
	channel_send(shim, &message);
}

static bool pass_failed(struct machine_reports *reports, struct channel *shim, const struct frame *frame)
{
	struct failed_frame failed;

	if (!read_failed_frame(frame, &failed))
		return false;
	if (failed.application.given)
		forget_start(reports, failed.application.index, failed.application.start);
	pass_as_it_is(shim, frame);
	return true;
}

bool machine_reports_take(struct machine_reports *reports, struct channel *shim, const struct letter *letter)
{
	struct frame_letter opened;
	struct frame frame;

	if (!open_frame_letter(&opened, letter) || !letter_frame(&opened, &frame))
		return false;
	/* by the letter that took the least time to come */
	long long offset = monotonic_us() - opened.sent_us;
	if (!reports->has_offset || offset < reports->offset_us)
		reports->offset_us = offset;
	reports->has_offset = true;
	switch (frame.tag) {
	case FRAME_INIT_HERE: /* the bridge has said so in its place */
		return true;
	case FRAME_EXECUTED:
		return pass_executed(reports, shim, &frame);
	case FRAME_APPLICATION_ENDED:
		return pass_application_ended(reports, shim, &frame);
	case FRAME_ENDED:
		return pass_ended(reports, shim, &frame);
	case FRAME_FAILED:
		return pass_failed(reports, shim, &frame);
	case FRAME_WAITING:
	case FRAME_LIMITED:
		pass_as_it_is(shim, &frame);
		return true;
	default:
		return false;
	}
}

void machine_reports_memory_kills(struct channel *shim, long processes)
{
	const struct memory_kills_frame kills = { .processes = processes };
	struct message message;

	write_memory_kills_frame(&message, &kills);
	channel_send(shim, &message);
}

void machine_reports_killed(struct machine_reports *reports, struct channel *shim)
{
	const struct report killed = {
		.raw_status = SIGKILL,
		.payload_user_us = -1,
		.payload_system_us = -1,
		.children_user_us = -1,
		.children_system_us = -1,
		.largest_process_bytes = -1,
		.killed_processes = -1,
		.ended_us = (long)monotonic_us(),
	};
	struct message message;

	for (size_t i = 0; i < reports->ordered_count; i++) {
		const struct ordered_start *start = &reports->ordered[i];
		const struct application_ended_frame ended = { .application = { start->index, start->start }, .report = killed };
		write_application_ended_frame(&message, &ended);
		channel_send(shim, &message);
	}
	reports->ordered_count = 0;
}
