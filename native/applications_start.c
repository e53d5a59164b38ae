/* See applications_start.h. */
#include "applications_start.h"
#include "applications_reports.h"
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

bool application_is_busy(const struct application *application)
{
	return application->keeper || application->lost;
}

void close_received(const struct received *all, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(all[i].fd);
}

/* The child. Only this start's descriptors stay open: another keeper must see its own socket end when init is gone. */
static _Noreturn void become_keeper(struct applications *box, struct application *application, int control, pid_t host)
{
	struct payload *payload = application->payload;
	struct post post = { (long)applications_index(box, application), application->start, box->control.fd, box->lock, host };
	struct channel own;

	prctl(PR_SET_NAME, "tare-keeper");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (size_t i = 0; i < box->count; i++) {
		struct application *other = &box->applications[i];
		channel_close(&other->control);
		if (other != application)
			close_received(other->payload->cgroups, other->payload->cgroup_count);
	}
	payload->descriptors = box->descriptors;
	payload->descriptor_count = box->descriptor_count;
	channel_open(&own, control);
	if (!payload->input) /* the engine's 0 is /dev/null */
		payload_set_descriptor(payload, 0, fcntl(0, F_DUPFD_CLOEXEC, 3));
	keeper_main(payload, &own, &post);
}

/* The keeper of the application that this one is a guest of; 0: it does not run. */
static pid_t host_of(const struct applications *box, const struct application *application)
{
	long host = application->payload->guest.host;

	return host >= 0 && (size_t)host < box->count ? box->applications[host].keeper : 0;
}

void application_start(struct applications *box, struct application *application)
{
	int control[2];

	application->told_end_us = 0;
	application->reported = false;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control)) {
		applications_report_unstarted(box, application, "socketpair");
		return;
	}
	pid_t pid = fork();
	if (pid == 0) {
		close(control[0]);
		become_keeper(box, application, control[1], host_of(box, application));
	}
	int error = errno;
	close(control[1]);
	if (pid < 0) {
		close(control[0]);
		errno = error;
		applications_report_unstarted(box, application, "the keeper");
		return;
	}
	channel_open(&application->control, control[0]);
	application->keeper = pid;
}
