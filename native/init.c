/* Process 1 of the box (or, without a PID namespace, a subreaper): starts the payload when told, passes signals on,
 * and when the payload or the front has ended leaves nobody alive. */
#include "init.h"
#include "frame.h"
#include "payload.h"
#include "reap.h"
#include "step.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILL_AGAIN_MS = 20 };

struct init {
	struct channel control;
	int children; /* signalfd */
	struct payload payload;
	pid_t pid; /* the payload's, 0 before the fork */
	int link; /* to the payload's process until its exec; -1 then */
	bool told_go, executed, failed, ended;
	long long go_us, ended_us; /* CLOCK_MONOTONIC: just before the exec, and when the payload was reaped */
	int status;
	struct rusage usage;
	long killed;
};

static bool is_process_one(void)
{
	return getpid() == 1;
}

static void send_frame(struct init *init, struct message *message)
{
	message_send(message, init->control.fd);
}

static void report(struct init *init, char tag)
{
	struct message message;

	message_begin(&message, tag);
	send_frame(init, &message);
}

static void report_failed(struct init *init, const char *step_name, int error, const char *what)
{
	struct message message;

	if (init->failed)
		return;
	init->failed = true;
	message_failed(&message, step_name, error, what);
	send_frame(init, &message);
}

static void raise_nofile(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* The payload's end, as far as the payload's process is concerned. */
static void note_end(struct init *init, int status, const struct rusage *usage)
{
	init->ended = true;
	init->ended_us = monotonic_us();
	init->status = status;
	init->usage = *usage;
}

static void report_stopped(struct init *init, int status)
{
	struct message message;

	message_begin(&message, 'S');
	message_add_number(&message, WSTOPSIG(status));
	send_frame(init, &message);
}

/* Reaps what is dead. False when there are no children left. With `killing`, counts those that we killed. */
static bool reap(struct init *init, bool killing)
{
	int flags = WNOHANG | (init->payload.terminal && !killing ? WUNTRACED : 0), status;
	struct rusage usage;
	pid_t pid;

	while ((pid = wait4(-1, &status, flags, &usage)) > 0) {
		if (pid == init->pid && WIFSTOPPED(status))
			report_stopped(init, status);
		if (WIFSTOPPED(status))
			continue;
		if (pid == init->pid && !init->ended)
			note_end(init, status, &usage);
		else if (killing && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			init->killed++;
	}
	return pid == 0;
}

/* Kills and reaps all that is left. Returns when this process is alone. */
static void kill_all(struct init *init)
{
	bool somebody = reap(init, false); /* what was dead before was not killed by us */

	while (somebody) {
		struct pollfd dead = { .fd = init->children, .events = POLLIN };
		char buffer[1024];
		if (is_process_one())
			kill(-1, SIGKILL);
		else
			kill_children(NULL, NULL);
		/* The timeout is for a child that was reparented to us after the kill. */
		poll(&dead, 1, KILL_AGAIN_MS);
		while (read(init->children, buffer, sizeof buffer) > 0)
			;
		somebody = reap(init, true);
	}
}

static long long microseconds(struct timeval time)
{
	return time.tv_sec * 1000000LL + time.tv_usec;
}

static void report_ended(struct init *init)
{
	struct rusage all;
	struct message message;

	getrusage(RUSAGE_CHILDREN, &all);
	message_begin(&message, 'E');
	message_add_number(&message, init->status);
	message_add_number(&message, microseconds(init->usage.ru_utime));
	message_add_number(&message, microseconds(init->usage.ru_stime));
	message_add_number(&message, microseconds(all.ru_utime));
	message_add_number(&message, microseconds(all.ru_stime));
	message_add_number(&message, all.ru_maxrss * 1024LL);
	message_add_number(&message, init->killed);
	message_add_number(&message, init->ended_us);
	send_frame(init, &message);
}

/* Nothing outlives this process, however it came here. */
static _Noreturn void finish(struct init *init)
{
	kill_all(init);
	if (init->executed)
		report_ended(init);
	_exit(init->executed ? 0 : EXIT_WRAPPER);
}

static void start_payload(struct init *init)
{
	int link[2];

	if (init->pid || !init->payload.argv) {
		report_failed(init, "protocol", EPROTO, "begin");
		finish(init);
	}
	if (step(init->payload.pause, "init-start", init->control.fd))
		finish(init);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link)) {
		report_failed(init, "fork", errno, "socketpair");
		finish(init);
	}
	init->pid = fork();
	if (init->pid == 0) {
		close(link[0]);
		close(init->children);
		payload_run(&init->payload, init->control.fd, link[1]);
	}
	int error = errno;
	close(link[1]);
	if (init->pid < 0) {
		init->pid = 0;
		report_failed(init, "fork", error, "the payload's process");
		finish(init);
	}
	init->link = link[0];
	/* A pipe's reader must see its end when the payload closes it. */
	for (size_t i = 0; i < init->payload.descriptor_count; i++)
		close(init->payload.descriptors[i].fd);
	for (size_t i = 0; i < init->payload.cgroup_count; i++)
		close(init->payload.cgroups[i].fd);
	step(init->payload.pause, "init-forked", init->control.fd);
}

static bool add_received(struct received **all, size_t *count, struct channel *control, int target)
{
	int fd = channel_take_fd(control);

	if (fd < 0)
		return false;
	*all = xrealloc(*all, (*count + 1) * sizeof **all);
	(*all)[(*count)++] = (struct received){ fd, target };
	return true;
}

static bool take_descriptors(struct init *init, struct frame *frame)
{
	const char *string;
	long target;

	while ((string = frame_string(frame)))
		if (!parse_number(string, 0, 1L << 30, &target) ||
		    !add_received(&init->payload.descriptors, &init->payload.descriptor_count, &init->control,
				  (int)target))
			return false;
	return true;
}

static bool take_cgroups(struct init *init, struct frame *frame)
{
	while (frame_string(frame))
		if (!add_received(&init->payload.cgroups, &init->payload.cgroup_count, &init->control, -1))
			return false;
	return true;
}

static bool take_signal(struct init *init, struct frame *frame, bool to_group)
{
	long signo;

	if (!frame_number(frame, 1, SIG_LAST, &signo))
		return false;
	if (init->pid && !init->ended) /* not reaped, so the pid is still the payload's */
		kill(to_group ? -init->pid : init->pid, (int)signo);
	return true;
}

static bool take_go(struct init *init)
{
	if (init->link < 0 || init->told_go)
		return false;
	init->told_go = true;
	init->go_us = monotonic_us();
	/* It may be dead already; that is found out elsewhere. */
	return send(init->link, "g", 1, MSG_NOSIGNAL) == 1 || errno == EPIPE || errno == ECONNRESET;
}

static bool take_frame(struct init *init, struct frame *frame)
{
	switch (frame->tag) {
	case 'P': {
		int memfd = channel_take_fd(&init->control);
		return memfd >= 0 && !init->payload.argv && payload_load(&init->payload, memfd);
	}
	case 'D':
		return take_descriptors(init, frame);
	case 'C':
		return take_cgroups(init, frame);
	case 'B':
		start_payload(init);
		return true;
	case 'G':
		return take_go(init);
	case 'K':
		return take_signal(init, frame, false);
	case 'k':
		return take_signal(init, frame, true);
	default:
		return false;
	}
}

static void read_control(struct init *init)
{
	struct frame frame;
	enum frame_got got;

	if (channel_receive(&init->control) == CHANNEL_END)
		finish(init);
	while ((got = channel_next(&init->control, &frame)) == FRAME_WHOLE)
		if (!take_frame(init, &frame))
			break;
	if (got != FRAME_NONE) {
		if (!init->executed)
			report_failed(init, "protocol", EPROTO, "init was sent what it does not understand");
		finish(init);
	}
}

static void report_executed(struct init *init)
{
	struct message message;

	message_begin(&message, 'X');
	message_add_number(&message, init->go_us);
	send_frame(init, &message);
}

/* The link ends: by the exec, or by the death of the payload's process. */
static void link_ended(struct init *init)
{
	close(init->link);
	init->link = -1;
	if (!init->told_go) {
		report_failed(init, "init", 0, "the payload's process was killed before its exec");
		finish(init);
	}
	init->executed = true;
	report_executed(init);
}

static void read_link(struct init *init)
{
	struct message message;
	char text[8192];
	/* one short frame, written at once */
	ssize_t n = recv(init->link, text, sizeof text, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 5) { /* the end, or less than a frame */
		link_ended(init);
		return;
	}
	/* passed on as it is */
	message = (struct message){ .data = xmemdup(text, (size_t)n), .size = (size_t)n };
	init->failed = true;
	send_frame(init, &message);
	finish(init);
}

static void read_children(struct init *init)
{
	char buffer[1024];

	while (read(init->children, buffer, sizeof buffer) > 0)
		;
	reap(init, false);
	if (!init->ended)
		return;
	while (init->link >= 0)
		read_link(init);
	step(init->payload.pause, "init-ended", init->control.fd);
	finish(init);
}

static void begin(struct init *init, const char *control)
{
	long fd;

	memset(init, 0, sizeof *init);
	init->link = -1;
	if (!parse_number(control, 3, 1L << 30, &fd) || !set_cloexec((int)fd, true))
		die("tare-init: not a control socket: %s", control);
	int keep[] = { 0, 1, 2, (int)fd };
	if (!close_all_but(keep, 4))
		die("tare-init: /proc/self/fd: %s (the box needs a /proc)", strerror(errno));
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NAME, "tare-init");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sig_set_mask(SIG_EVERY);
	sig_default_all(); /* an ignored SIGCHLD would lose the payload's status */
	raise_nofile();
	channel_open(&init->control, (int)fd);
	init->children = sig_open(SIG_BIT(SIGCHLD));
	if (init->children < 0)
		die("tare-init: signalfd: %s", strerror(errno));
	report(init, 'I');
}

_Noreturn void init_main(const char *control)
{
	struct init init;

	begin(&init, control);
	for (;;) {
		struct pollfd ready[] = {
			{ .fd = init.control.fd, .events = POLLIN },
			{ .fd = init.children, .events = POLLIN },
			{ .fd = init.link, .events = POLLIN },
		};
		if (poll(ready, 3, -1) < 0)
			continue;
		if (ready[2].revents && init.link >= 0)
			read_link(&init);
		if (ready[0].revents)
			read_control(&init);
		if (ready[1].revents)
			read_children(&init);
	}
}
