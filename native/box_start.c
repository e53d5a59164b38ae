/* See box_start.h. What is opened here is opened with the rights that enter gives up. */
#include "box_start.h"
#include "box_end.h"
#include "enter.h"
#include "parts.h"
#include "specification.h"
#include "step.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The path that cannot be opened, with errno, or NULL. */
static const char *open_cgroups(struct box *box)
{
	for (size_t i = 0; i < box->launch.command_count; i++) {
		const struct list *paths = &box->launch.commands[i].joins;
		box->cgroups = xrealloc(box->cgroups, (box->cgroup_count + paths->count) * sizeof(int));
		for (size_t k = 0; k < paths->count; k++) {
			int fd = above_standard(open(paths->items[k], O_WRONLY | O_CLOEXEC));
			if (fd < 0)
				return paths->items[k];
			box->cgroups[box->cgroup_count++] = fd;
		}
	}
	return NULL;
}

/* One for each command. False, with errno. */
static bool write_specifications(struct box *box)
{
	size_t count = box->launch.command_count;

	box->specifications = xrealloc(NULL, count * sizeof(int));
	for (size_t i = 0; i < count; i++)
		box->specifications[i] = -1;
	for (size_t i = 0; i < count; i++) {
		box->specifications[i] = specification_make(&box->launch, &box->launch.commands[i], box->job.caller);
		if (box->specifications[i] < 0)
			return false;
	}
	return true;
}

/* Allocates a slot for each command, also after a parse error. */
static void make_app_slots(struct box *box)
{
	size_t size = box->launch.command_count * sizeof *box->app_slots;

	box->several = box->launch.several;
	/* No report of it: init was killed, and it with init. */
	box->status = SIGKILL;
	box->app_slots = xrealloc(NULL, size);
	memset(box->app_slots, 0, size);
}

/* init's socket and the pipe of the engine's descriptor 2. False, with errno; what is open then is the caller's to close. */
static bool make_sockets(int control[2], int errors[2])
{
	const int on = 1;

	control[0] = control[1] = errors[0] = errors[1] = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) || pipe2(errors, O_CLOEXEC))
		return false;
	for (int i = 0; i < 2; i++) {
		control[i] = above_standard(control[i]);
		errors[i] = above_standard(errors[i]);
	}
	/* Before anything is sent: the kernel adds a sender's pid only from then on. */
	return control[0] >= 0 && control[1] >= 0 && errors[0] >= 0 && errors[1] >= 0 &&
	       setsockopt(control[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0 &&
	       fcntl(errors[0], F_SETFL, O_NONBLOCK) == 0;
}

/* The pipe in which wrappers in the box tell of themselves. A box without it is as good. */
static void open_parts(struct box *box)
{
	close_once(&box->job.parts);
	if (box->launch.parts)
		box->job.parts = parts_make(box->launch.parts);
}

/* Forks the child that becomes the engine. The supervisor is told what fails; then there is no engine. */
static void fork_enter(struct box *box)
{
	int control[2], errors[2];

	if (!make_sockets(control, errors)) {
		box_tell_failed(box, "engine", errno, "socketpair, pipe");
		for (int i = 0; i < 2; i++) {
			close_once(&control[i]);
			close_once(&errors[i]);
		}
		return;
	}
	pid_t pid = fork();
	if (pid == 0)
		enter_main(&box->launch, box->job.caller->terminal >= 0, control[1], errors[1]);
	int error = errno;
	close(control[1]);
	close(errors[1]);
	channel_open(&box->control, control[0]);
	box->errors = errors[0];
	if (pid < 0) {
		box_tell_failed(box, "engine", error, "fork");
		return;
	}
	box->engine = pid;
}

void box_launch(struct box *box, struct frame *frame)
{
	const char *path;

	box->job.any_ended = false;
	box_reset(box);
	box->there = true;
	char *wrong = launch_parse(&box->launch, frame, box->job.caller);
	make_app_slots(box);
	if (wrong)
		box_tell_failed(box, "protocol", EINVAL, wrong);
	else if ((path = open_cgroups(box)))
		box_tell_failed(box, "cgroup", errno, path);
	else if (!write_specifications(box))
		box_tell_failed(box, "engine", errno, "memfd");
	else {
		open_parts(box);
		fork_enter(box);
	}
	free(wrong);
	if (!box->engine) {
		box_end(box);
		return;
	}
	step(box->launch.pause, "shim-launched", -1);
}
