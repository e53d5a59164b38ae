/* See box.h. */
#include "box.h"
#include "failed.h"
#include "util.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void box_reset(struct box *box)
{
	const struct job job = box->job;

	memset(box, 0, sizeof *box);
	box->job = job;
	box->errors = -1;
	channel_open(&box->control, -1);
}

void box_begin(struct box *box, struct caller *caller, struct supervisor_link *link, struct terminal *terminal)
{
	box->job = (struct job){ .caller = caller, .link = link, .terminal = terminal, .parts = -1 };
	box_reset(box);
}

void box_send(struct box *box, enum frame_tag tag)
{
	struct message message;

	message_begin(&message, (char)tag);
	channel_send(&box->control, &message);
}

void box_tell_failed(struct box *box, const char *step_name, int error, const char *what)
{
	struct message message;

	if (box->failed)
		return;
	box->failed = true;
	message_failed(&message, step_name, error, what);
	supervisor_link_tell(box->job.link, &message);
}

void box_kill(struct box *box)
{
	if (!box->there || box->killed)
		return;
	box->killed = true;
	box->killed_us = monotonic_us();
	/* init sees the end of its socket and can still report */
	if (box->control.fd >= 0)
		shutdown(box->control.fd, SHUT_WR);
	if ((!box->init || box->control.fd < 0) && !box->engine_reaped)
		kill(box->engine, SIGKILL);
}

struct app_slot *box_app_slot(struct box *box, long index)
{
	return box->several && index < (long)box->launch.command_count ? &box->app_slots[index] : NULL;
}

void box_forget_preparations(struct box *box)
{
	for (size_t i = 0; box->specifications && i < box->launch.command_count; i++)
		close_once(&box->specifications[i]);
	for (size_t i = 0; i < box->cgroup_count; i++)
		close_once(&box->cgroups[i]);
	free(box->specifications);
	free(box->cgroups);
	box->specifications = box->cgroups = NULL;
	box->cgroup_count = 0;
}
