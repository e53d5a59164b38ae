/* init between the shim and the keepers: starts them, passes orders down and reports up, and stands in for one that
 * was killed. It never waits for a keeper: each start is answered for when the keeper was reaped, with what it
 * reported, or for a killed one when nothing is left of its application. */
#include "applications.h"
#include "applications_orders.h"
#include "applications_reports.h"
#include "applications_start.h"
#include "failed.h"
#include "limited.h"
#include "reap.h"
#include "step.h"
#include "util.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	/* From the end of its control socket to a keeper's own: longer than it waits for the readers of last lines. */
	KEEPER_END_MS = 2000,
	ORPHANS_AGAIN_MS = 20,
	/* Entries of the loop's poll that are no keeper's. */
	OWN_POLLS = 1,
};

/* Reads the reports of one keeper, and closes its socket at the end. */
static void read_keeper(struct applications *box, struct application *application)
{
	struct frame frame;
	enum channel_got received = channel_receive(&application->control);

	while (!application->reported && channel_next(&application->control, &frame) == FRAME_WHOLE)
		applications_take_report(box, application, &frame);
	if (received == CHANNEL_END)
		channel_close(&application->control);
}

/* Answers for its start, unless it was killed: then what that left has to be gone first. */
static void keeper_reaped(struct applications *box, struct application *application, const struct rusage *usage)
{
	while (!application->reported && application->control.fd >= 0)
		read_keeper(box, application);
	channel_close(&application->control);
	application->keeper = 0;
	if (application->failed.data) {
		message_send(&application->failed, box->control.fd);
	} else if (application->reported) {
		applications_report_ended(box, application);
	} else {
		application->lost = true;
		application->report = (struct report){
			.raw_status = SIGKILL,
			.payload_user_us = -1,
			.payload_system_us = -1,
			.ended_us = (long)monotonic_us(),
		};
		applications_add_usage(&application->report, usage); /* with all that it had reaped */
	}
}

/* The application of that keeper; NULL: it is no keeper. */
static struct application *kept_by(const struct applications *box, pid_t keeper)
{
	for (size_t i = 0; i < box->count; i++)
		if (box->applications[i].keeper == keeper)
			return &box->applications[i];
	return NULL;
}

/* The first application whose killed keeper left processes; NULL: none. */
static struct application *first_lost(const struct applications *box)
{
	for (size_t i = 0; i < box->count; i++)
		if (box->applications[i].lost)
			return &box->applications[i];
	return NULL;
}

/* Called by the reaper. A child that is not a keeper is an orphan of a killed keeper, or came into the box from outside. */
static void child_reaped(void *context, pid_t pid, int status, const struct rusage *usage, bool killing)
{
	struct applications *box = context;
	struct application *application = kept_by(box, pid);

	/* a process of its uid may stop a keeper, and only init continues it */
	if (WIFSTOPPED(status)) {
		if (application)
			kill(pid, SIGCONT);
		return;
	}
	if (application) {
		keeper_reaped(box, application, usage);
		return;
	}
	application = first_lost(box);
	struct report *report = application ? &application->report : &box->sum;
	applications_add_usage(report, usage);
	if ((application || killing) && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		report->killed_processes++;
}

/* Spares keepers in kill_children(). */
static bool is_keeper(pid_t pid, const void *context)
{
	return kept_by(context, pid);
}

/* Kills what killed keepers have left. All others are children of keepers that live. True: look again soon. */
static bool settle_lost(struct applications *box)
{
	struct application *application = first_lost(box);

	if (!application)
		return false;
	if (kill_children(is_keeper, box))
		return true;
	for (; application; application = first_lost(box)) {
		application->lost = false;
		applications_report_ended(box, application);
	}
	return false;
}

/* When to look again, in milliseconds; -1: when something happens. A keeper that is late is killed. */
static int settle_late(struct applications *box)
{
	long long now = monotonic_us();
	int soonest = -1;

	for (size_t i = 0; i < box->count; i++) {
		struct application *application = &box->applications[i];
		if (!application->keeper || !application->told_end_us)
			continue;
		long long left = application->told_end_us / 1000 + KEEPER_END_MS - now / 1000;
		if (left <= 0)
			kill(application->keeper, SIGKILL);
		else if (soonest < 0 || left < soonest)
			soonest = (int)left;
	}
	return soonest;
}

/* Whether no application is busy. */
static bool all_ended(const struct applications *box)
{
	for (size_t i = 0; i < box->count; i++)
		if (application_is_busy(&box->applications[i]))
			return false;
	return true;
}

/* Kills what came into the box from outside, reports and exits. */
static _Noreturn void finish_box(struct applications *box)
{
	step(box->applications[0].payload->pause, "init-ended", box->control.fd);
	kill_all(&box->reaper);
	applications_report_all_ended(box);
	close_and_exit(0);
}

/* For one of these to happen, or so many milliseconds (-1: any), and does what is to be done then. `ready`: room for OWN_POLLS and all
 * keepers. */
static void wait_and_serve(struct applications *box, struct pollfd *ready, int timeout)
{
	ready[0] = (struct pollfd){ .fd = box->ending ? -1 : box->control.fd, .events = POLLIN };
	for (size_t i = 0; i < box->count; i++) {
		const struct channel *control = &box->applications[i].control;
		ready[OWN_POLLS + i] =
			(struct pollfd){ .fd = control->fd, .events = control->out ? POLLIN | POLLOUT : POLLIN };
	}
	bool dead = reaper_wait(&box->reaper, ready, OWN_POLLS + box->count, timeout);
	limited_look(box->control.fd);
	for (size_t i = 0; i < box->count; i++) {
		if (ready[OWN_POLLS + i].revents & POLLOUT)
			channel_flush(&box->applications[i].control);
		if (ready[OWN_POLLS + i].revents & ~POLLOUT)
			read_keeper(box, &box->applications[i]);
	}
	if (dead)
		reap(&box->reaper, WUNTRACED, false);
	if (ready[0].revents)
		applications_read_orders(box);
}

/* Sets up the reaper and the lock for lines, and says that it waits. */
static void begin_applications(struct applications *box)
{
	struct message message;

	box->reaper = (struct reaper){ .reaped = child_reaped, .context = box };
	reaper_begin();
	box->lock = memory_file("tare-lines", false);
	if (box->lock < 0) {
		message_failed(&message, "init", errno, "memfd");
		message_send(&message, box->control.fd);
		close_and_exit(EXIT_WRAPPER);
	}
	if (step(box->applications[0].payload->pause, "init-start", box->control.fd))
		close_and_exit(EXIT_WRAPPER);
	message_begin(&message, FRAME_WAITING); /* the kernel adds who we are */
	message_send(&message, box->control.fd);
}

_Noreturn void applications_main(struct payload *payloads, size_t count, struct received *descriptors,
				 size_t descriptor_count, const struct channel *control)
{
	struct applications box = { .control = *control, .count = count, .descriptors = descriptors,
			   .descriptor_count = descriptor_count };
	struct pollfd *ready = xrealloc(NULL, (OWN_POLLS + count) * sizeof *ready);

	box.sum.largest_process_bytes = box.sum.ended_us = -1;
	box.applications = xrealloc(NULL, count * sizeof *box.applications);
	for (size_t i = 0; i < count; i++) {
		box.applications[i] = (struct application){ .payload = &payloads[i] };
		channel_open(&box.applications[i].control, -1);
	}
	begin_applications(&box);
	for (;;) {
		bool soon = settle_lost(&box);
		if (box.winding_up && all_ended(&box))
			finish_box(&box);
		int late = settle_late(&box);
		wait_and_serve(&box, ready, soon ? ORPHANS_AGAIN_MS : late);
	}
}
