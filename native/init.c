/* Process 1 of the box: takes what the shim prepared. The only payload it keeps itself; of several applications each
 * gets a keeper. */
#include "init.h"
#include "applications.h"
#include "failed.h"
#include "generated/protocol.h"
#include "keeper.h"
#include "landlock.h"
#include "limited.h"
#include "pty.h"
#include "reap.h"
#include "util.h"
#include "view_cvmfs.h"
#include "wait.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

struct init {
	struct channel control;
	struct payload *payloads; /* as they are to be executed */
	size_t count;
	struct received *descriptors; /* of the caller, for each of them */
	size_t descriptor_count;
	bool told_begin;
};

/* Raises the soft limit to the hard one: init holds a descriptor for each of the caller's and for each application. */
static void raise_nofile(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Appends a descriptor. False: none came. */
static bool add_received(struct received **all, size_t *count, int fd, int target)
{
	if (fd < 0)
		return false;
	*all = xrealloc(*all, (*count + 1) * sizeof **all);
	(*all)[(*count)++] = (struct received){ fd, target };
	return true;
}

/* Loads the specification of one command. */
static bool take_payload(struct init *init)
{
	int memfd = channel_take_fd(&init->control);

	if (memfd < 0)
		return false;
	init->payloads = xrealloc(init->payloads, (init->count + 1) * sizeof *init->payloads);
	init->payloads[init->count] = (struct payload){ 0 };
	return payload_load(&init->payloads[init->count++], memfd);
}

/* Takes the caller's descriptors and their numbers. */
static bool take_descriptors(struct init *init, const struct frame *frame)
{
	struct descriptors_frame descriptors;
	long target;

	if (!read_descriptors_frame(frame, &descriptors))
		return false;
	while (frame_number(&descriptors.targets, 0, INT_MAX, &target))
		if (!add_received(&init->descriptors, &init->descriptor_count, channel_take_fd(&init->control), (int)target))
			return false;
	return true;
}

/* Adds a group to the payload that came last. */
static bool take_cgroup(struct init *init, const struct frame *frame)
{
	struct payload *payload = init->count ? &init->payloads[init->count - 1] : NULL;
	struct cgroup_frame cgroup;

	return read_cgroup_frame(frame, &cgroup) && payload &&
	       add_received(&payload->cgroups, &payload->cgroup_count, channel_take_fd(&init->control), -1);
}

/* Called before any process is in the box that could interfere. */
static bool take_terminal(struct init *init, const struct frame *frame)
{
	struct terminal_frame terminal;
	struct message message;
	struct pty pty;
	long target;

	if (!read_terminal_frame(frame, &terminal))
		return false;
	if (!pty_open(&pty)) {
		message_failed(&message, "terminal", errno, "/dev/ptmx");
		message_send(&message, init->control.fd);
		close_and_exit(EXIT_WRAPPER);
	}
	while (frame_number(&terminal.targets, 0, INT_MAX, &target))
		if (!add_received(&init->descriptors, &init->descriptor_count, fcntl(pty.slave, F_DUPFD_CLOEXEC, 3), (int)target))
			return false;
	for (size_t i = 0; i < init->count; i++) {
		init->payloads[i].tty = pty.slave;
		if (init->payloads[i].terminal)
			pty_give(pty.slave, &init->payloads[i].guest.identity);
	}
	message_begin(&message, FRAME_MASTER);
	message_add_fd(&message, pty.master);
	bool sent = message_send(&message, init->control.fd);
	close(pty.master);
	return sent;
}

/* Takes one frame. False: it is unknown, or its descriptor is missing. */
static bool take_frame(struct init *init, const struct frame *frame)
{
	switch (frame->tag) {
	case FRAME_PAYLOAD:
		return take_payload(init);
	case FRAME_DESCRIPTORS:
		return take_descriptors(init, frame);
	case FRAME_CGROUP:
		return take_cgroup(init, frame);
	case FRAME_TERMINAL:
		return take_terminal(init, frame);
	case FRAME_BEGIN:
		return init->told_begin = init->count > 0;
	default:
		return false;
	}
}

/* Reads frames until the shim has sent all that is needed to begin. No other process is in the box yet. */
static void prepare(struct init *init)
{
	struct frame frame;
	enum frame_got got = FRAME_NONE;

	while (!init->told_begin) {
		struct pollfd ready = { .fd = init->control.fd, .events = POLLIN };
		wait_for(&ready, 1, -1, SIG_STANDARD);
		if (channel_receive(&init->control) == CHANNEL_END)
			close_and_exit(EXIT_WRAPPER);
		while (!init->told_begin && (got = channel_next(&init->control, &frame)) == FRAME_WHOLE)
			if (!take_frame(init, &frame))
				break;
		if (!init->told_begin && got != FRAME_NONE) {
			struct message message;
			message_failed(&message, "protocol", EPROTO, "init was sent what it does not understand");
			message_send(&message, init->control.fd);
			close_and_exit(EXIT_WRAPPER);
		}
	}
}

/* Once for all that will run here, so that they may look into each other (ptrace(2)), and when the last is open that has a place of its
 * own. */
static void wall_up(const struct init *init)
{
	const struct landlock *wall = &init->payloads[0].wall;
	const char *what = NULL;
	struct message message;

	if (!wall->rights)
		return;
	int *fds = xrealloc(NULL, (init->descriptor_count + 1) * sizeof *fds);
	for (size_t i = 0; i < init->descriptor_count; i++)
		fds[i] = init->descriptors[i].fd;
	if (!landlock_restrict(wall, fds, init->descriptor_count, &what)) {
		message_failed(&message, "landlock", errno, what);
		message_send(&message, init->control.fd);
		close_and_exit(EXIT_WRAPPER);
	}
	free(fds);
}

/* Closes what the engine left open, sets up signals and limits, and says so to the shim. Dies when `control` is not a list of
 * descriptors. */
static void begin(struct init *init, const char *control)
{
	struct message message;
	int keep[4 + VIEW_HELD] = { 0, 1, 2 };
	size_t count = 3;
	char *text = xprintf("%s", control), *rest = text, *one;
	long fd;

	memset(init, 0, sizeof *init);
	/* the socket, then what is to be open until this process ends */
	while ((one = strsep(&rest, ","))) {
		if (count == sizeof keep / sizeof *keep || !parse_number(one, 3, 1L << 30, &fd) || !set_cloexec((int)fd, true))
			die("tare-init: not a control socket: %s", control);
		keep[count++] = (int)fd;
	}
	fd = keep[3];
	free(text);
	if (!close_all_but(keep, count))
		die("tare-init: /proc/self/fd: %s (the box needs a /proc)", strerror(errno));
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NAME, "tare-init");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sig_set_mask(SIG_EVERY);
	sig_default_all(); /* an ignored SIGCHLD would lose the payload's status */
	sig_withstand();
	raise_nofile();
	channel_open(&init->control, (int)fd);
	message_begin(&message, FRAME_INIT_HERE);
	message_send(&message, init->control.fd);
}

_Noreturn void init_main(const char *control)
{
	static struct init init;

	begin(&init, control);
	prepare(&init);
	wall_up(&init);
	limited_prepare(init.count);
	if (init.payloads[0].name)
		applications_main(init.payloads, init.count, init.descriptors, init.descriptor_count, &init.control);
	init.payloads[0].descriptors = init.descriptors;
	init.payloads[0].descriptor_count = init.descriptor_count;
	keeper_main(&init.payloads[0], &init.control, NULL);
}
