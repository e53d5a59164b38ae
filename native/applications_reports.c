/* See applications_reports.h. */
#include "applications_reports.h"
#include "failed.h"
#include "util.h"

#include <errno.h>

size_t applications_index(const struct applications *box, const struct application *application)
{
	return (size_t)(application - box->applications);
}

void applications_report_unstarted(const struct applications *box, const struct application *application, const char *what)
{
	struct message message;

	message_failed_start(&message, "fork", errno, what, (long)applications_index(box, application), application->start);
	message_send(&message, box->control.fd);
}

static void add_figure(long *sum, long figure)
{
	if (figure > 0)
		*sum += figure;
}

static void take_larger(long *most, long figure)
{
	if (*most < figure)
		*most = figure;
}

/* The status of all is 0. */
static void add_up(struct report *sum, const struct report *report)
{
	add_figure(&sum->payload_user_us, report->payload_user_us);
	add_figure(&sum->payload_system_us, report->payload_system_us);
	add_figure(&sum->children_user_us, report->children_user_us);
	add_figure(&sum->children_system_us, report->children_system_us);
	take_larger(&sum->largest_process_bytes, report->largest_process_bytes);
	add_figure(&sum->killed_processes, report->killed_processes);
	take_larger(&sum->ended_us, report->ended_us);
}

void applications_report_ended(struct applications *box, const struct application *application)
{
	const struct application_ended_frame ended = {
		.application = { (long)applications_index(box, application), application->start },
		.report = application->report,
	};
	struct message message;

	write_application_ended_frame(&message, &ended);
	message_send(&message, box->control.fd);
	add_up(&box->sum, &application->report);
}

void applications_report_all_ended(const struct applications *box)
{
	struct message message;

	write_ended_frame(&message, &(struct ended_frame){ box->sum });
	message_send(&message, box->control.fd);
}

void applications_add_usage(struct report *report, const struct rusage *usage)
{
	report->children_user_us += (long)time_us(usage->ru_utime);
	report->children_system_us += (long)time_us(usage->ru_stime);
	take_larger(&report->largest_process_bytes, usage->ru_maxrss * 1024L);
}

void applications_take_report(const struct applications *box, struct application *application, const struct frame *frame)
{
	struct stopped_frame stopped;
	struct failed_frame failed;
	struct ended_frame ended;
	struct message message;

	switch (frame->tag) {
	case FRAME_STOPPED:
		if (!read_stopped_frame(frame, &stopped))
			return;
		write_stopped_frame(&message, &stopped);
		message_send(&message, box->control.fd);
		return;
	case FRAME_FAILED:
		if (!read_failed_frame(frame, &failed))
			return;
		failed.application.given = true;
		failed.application.index = (long)applications_index(box, application);
		failed.application.start = application->start;
		write_failed_frame(&application->failed, &failed);
		application->reported = true;
		return;
	case FRAME_ENDED:
		application->reported = read_ended_frame(frame, &ended);
		if (application->reported)
			application->report = ended.report;
		return;
	default:
		return;
	}
}
