/* See applications_reports.h. */
#include "applications_reports.h"
#include "util.h"

#include <errno.h>

size_t applications_index(const struct applications *box, const struct application *application)
{
	return (size_t)(application - box->applications);
}

/* Adds index and start. */
static void add_place(struct message *message, const struct applications *box, const struct application *application)
{
	message_add_number(message, (long long)applications_index(box, application));
	message_add_number(message, application->start);
}

void applications_report_unstarted(const struct applications *box, const struct application *application, const char *what)
{
	struct message message;

	message_failed(&message, "fork", errno, what);
	add_place(&message, box, application);
	message_send(&message, box->control.fd);
}

/* Adds each figure; an unknown one is an empty string. */
static void add_figures(struct message *message, const long figures[FIGURES])
{
	for (int i = 0; i < FIGURES; i++)
		if (figures[i] < 0)
			message_add(message, "");
		else
			message_add_number(message, figures[i]);
}

/* MAXRSS and ENDED are the largest. */
static void add_up(long sum[FIGURES], const long figures[FIGURES])
{
	for (int i = PAYLOAD_USER; i < FIGURES; i++) {
		if (figures[i] < 0)
			continue;
		if (i == MAXRSS || i == ENDED)
			sum[i] = sum[i] < figures[i] ? figures[i] : sum[i];
		else
			sum[i] += figures[i];
	}
}

void applications_report_ended(struct applications *box, const struct application *application)
{
	struct message message;

	message_begin(&message, 'Z');
	add_place(&message, box, application);
	add_figures(&message, application->figures);
	message_send(&message, box->control.fd);
	add_up(box->sum, application->figures);
}

void applications_report_all_ended(const struct applications *box)
{
	struct message message;

	message_begin(&message, 'E');
	add_figures(&message, box->sum);
	message_send(&message, box->control.fd);
}

void applications_add_usage(long figures[FIGURES], const struct rusage *usage)
{
	long maxrss = usage->ru_maxrss * 1024L;

	figures[USER] += usage->ru_utime.tv_sec * 1000000L + usage->ru_utime.tv_usec;
	figures[SYSTEM] += usage->ru_stime.tv_sec * 1000000L + usage->ru_stime.tv_usec;
	figures[MAXRSS] = figures[MAXRSS] < maxrss ? maxrss : figures[MAXRSS];
}

void applications_take_report(const struct applications *box, struct application *application, struct frame *frame)
{
	const char *string;

	if (frame->tag == 'S') { /* it has stopped at its terminal */
		struct message stopped;
		message_begin(&stopped, 'S');
		while ((string = frame_string(frame)))
			message_add(&stopped, string);
		message_send(&stopped, box->control.fd);
		return;
	}
	if (frame->tag == 'F') {
		message_begin(&application->failed, 'F');
		while ((string = frame_string(frame)))
			message_add(&application->failed, string);
		add_place(&application->failed, box, application);
		application->reported = true;
		return;
	}
	bool whole = frame->tag == 'E';
	for (int i = 0; whole && i < FIGURES; i++)
		whole = frame_number(frame, 0, __LONG_MAX__, &application->figures[i]);
	application->reported = whole;
}
