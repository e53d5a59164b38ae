/* See box_prepare.h. */
#include "box_prepare.h"
#include "util.h"

#include <fcntl.h>
#include <sys/stat.h>

/* A directory, or what is named only (O_PATH): openat(2) starts there, whatever the box hides (CVE-2024-21626). */
static bool leads_out(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return (flags >= 0 && flags & O_PATH) || S_ISDIR(kind_of(fd));
}

static void send_some_descriptors(struct box *box, const int *numbers, const int *fds, size_t count)
{
	struct message message;

	write_descriptors_frame(&message, numbers, count);
	for (size_t i = 0; i < count; i++)
		message_add_fd(&message, fds[i]);
	channel_send(&box->control, &message);
}

/* The caller's descriptors. In a box one that leads out of it is closed, and 0, 1 or 2 is /dev/null: a program would take the next
 * file that it opens for it. */
static void send_descriptors(struct box *box)
{
	const struct caller *caller = box->job.caller;
	bool boxed = box->launch.engine.count > 0;
	int null = -1; /* stays open: what is queued is sent later */
	int numbers[FRAME_FDS], fds[FRAME_FDS];
	size_t count = 0;

	for (size_t i = 0; i < caller->fd_count; i++) {
		int number = caller->fds[i], fd = number;
		if (caller_at_terminal(caller, number))
			continue;
		if (boxed && leads_out(fd)) {
			if (null < 0)
				null = above_standard(open("/dev/null", O_RDWR | O_CLOEXEC));
			if (number > 2 || null < 0)
				continue;
			fd = null;
		}
		numbers[count] = number;
		fds[count++] = fd;
		if (count < FRAME_FDS)
			continue;
		send_some_descriptors(box, numbers, fds, count);
		count = 0;
	}
	if (count)
		send_some_descriptors(box, numbers, fds, count);
}

/* The numbers under which the payload gets a terminal of the box's in place of the caller's. */
static void send_terminal(struct box *box)
{
	const struct caller *caller = box->job.caller;
	struct message message;

	if (!caller->terminal_count)
		return;
	write_terminal_frame(&message, caller->terminals, caller->terminal_count);
	channel_send(&box->control, &message);
}

void box_prepare(struct box *box)
{
	const int *cgroup = box->cgroups;
	struct message message;

	for (size_t i = 0; i < box->launch.command_count; i++) {
		const struct list *joins = &box->launch.commands[i].joins;
		message_begin(&message, FRAME_PAYLOAD);
		message_add_fd(&message, box->specifications[i]);
		channel_send(&box->control, &message);
		for (size_t k = 0; k < joins->count; k++) {
			write_cgroup_frame(&message, &(struct cgroup_frame){ joins->items[k] });
			message_add_fd(&message, *cgroup++);
			channel_send(&box->control, &message);
		}
	}
	send_descriptors(box);
	send_terminal(box);
	box_send(box, FRAME_BEGIN);
}
