/* What stands between a payload and everything else. For the only payload of a box this is process 1 itself (or, without
 * a PID namespace, a subreaper) and its orders come from the shim; one of several applications has a process of its
 * own for it, and init in the shim's place. */
#include "keeper.h"
#include "generated/protocol.h"
#include "keeper_output.h"
#include "keeper_reports.h"
#include "keeper_signals.h"
#include "limited.h"
#include "payload_run.h"
#include "pty.h"
#include "reap.h"
#include "step.h"
#include "util.h"
#include "wait.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The payload's end, as far as the payload's process is concerned. */
static void note_end(struct keeper *keeper, int status, const struct rusage *usage)
{
	keeper->ended = true;
	keeper->ended_us = monotonic_us();
	keeper->status = status;
	keeper->usage = *usage;
}

/* Called by the reaper for a child that has ended or stopped. */
static void reaped(void *context, pid_t pid, int status, const struct rusage *usage, bool killing)
{
	struct keeper *keeper = context;

	if (WIFSTOPPED(status)) {
		if (pid == keeper->pid)
			keeper_report_stopped(keeper, status);
	} else if (pid == keeper->pid && !keeper->ended) {
		note_end(keeper, status, usage);
	} else if (killing && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
		keeper->killed++;
	}
}

static void settle_link(struct keeper *keeper);

/* Answers for a start of an application, also for one that was ended before its exec. */
static void settle_start(struct keeper *keeper, bool alone)
{
	if (alone && !keeper->failed)
		settle_link(keeper); /* its other end is dead: it says what became of the exec */
	if (!keeper->executed)
		keeper_report_failed(keeper, "init", 0, "the application was ended before its exec");
}

/* Nothing outlives this process, however it came here, but what cannot be killed: of a payload's process that is such a one
 * there is no end to tell. */
static _Noreturn void finish(struct keeper *keeper)
{
	bool alone = kill_all(&keeper->reaper);

	if (!alone)
		keeper->told_end = true; /* it may have the pipes of lines */
	if (keeper->post)
		settle_start(keeper, alone);
	keeper_pass_on_rest(keeper);
	if (keeper->executed && (alone || keeper->ended))
		keeper_report_ended(keeper);
	close_and_exit(keeper->executed ? 0 : EXIT_WRAPPER);
}

/* The payload cannot be started. */
static _Noreturn void fail_start(struct keeper *keeper, const char *step_name, int error, const char *what)
{
	keeper_report_failed(keeper, step_name, error, what);
	finish(keeper);
}

/* True: the pause, if any, was ended by the end of the control socket. */
static bool pause_at(const struct keeper *keeper, const char *what)
{
	char name[32];

	snprintf(name, sizeof name, "%s-%s", keeper->post ? "keeper" : "init", what);
	return step(keeper->payload->pause, name, keeper->control.fd);
}

/* What it has no business with: between fork and exec others of the same user might look into it. */
static _Noreturn void become_payload(struct keeper *keeper, int link)
{
	int control = keeper->control.fd;

	close(keeper->link);
	if (keeper->post) {
		close(control);
		close(keeper->post->shim);
		control = -1;
	}
	payload_run(keeper->payload, control, link);
}

/* Lets the payload's process execute. False: it was let go before. */
static bool take_go(struct keeper *keeper)
{
	if (keeper->link < 0 || keeper->told_go)
		return false;
	keeper->told_go = true;
	keeper->go_us = monotonic_us();
	char go = 'g';
	struct iovec bytes = { &go, 1 };
	const struct msghdr header = { .msg_iov = &bytes, .msg_iovlen = 1 };
	/* It may be dead already; that is found out elsewhere. */
	if (send_patiently(keeper->link, &header, 0) != 1 && errno != EPIPE && errno != ECONNRESET) {
		keeper_report_failed(keeper, "fork", errno, "the payload's process, which waits to be let go");
		finish(keeper); /* and with it what waits */
	}
	return true;
}

/* Forks the payload's process. One of several applications is let go at once. */
static void start_payload(struct keeper *keeper)
{
	struct payload *payload = keeper->payload;
	int link[2];

	if (pause_at(keeper, "start"))
		finish(keeper);
	if (!keeper_open_lines(keeper))
		fail_start(keeper, "output", errno, "pipe");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link))
		fail_start(keeper, "fork", errno, "socketpair");
	keeper->link = link[0];
	if (payload->terminal && !pty_lead(payload->tty))
		fail_start(keeper, "terminal", errno, "TIOCSCTTY");
	const char *what = NULL;
	if (keeper->post && !guest_prepare(&payload->guest, keeper->post->host, &what))
		fail_start(keeper, "system", errno, what);
	keeper->pid = guest_fork(&payload->guest);
	if (keeper->pid == 0)
		become_payload(keeper, link[1]);
	int error = errno;
	close(link[1]);
	guest_release(&payload->guest);
	if (keeper->pid < 0) {
		keeper->pid = 0;
		fail_start(keeper, "fork", error,
			   payload->guest.apart ? "the payload's process, in a user namespace and a PID namespace of its own" :
						  "the payload's process");
	}
	/* In the background process 1 would not be stopped by SIGTTIN, but read again and again. */
	if (payload->terminal && payload->guest.apart)
		pty_foreground(payload->tty, keeper->pid);
	/* A pipe's reader must see its end when the payload closes it. */
	for (size_t i = 0; i < payload->descriptor_count; i++)
		close(payload->descriptors[i].fd);
	for (size_t i = 0; i < payload->cgroup_count; i++)
		close(payload->cgroups[i].fd);
	bool told_end = pause_at(keeper, "forked");
	if (keeper->post && !told_end)
		take_go(keeper);
}

/* Takes one frame. False: it is unknown or malformed. */
static bool take_control_frame(struct keeper *keeper, const struct frame *frame)
{
	struct signal_frame signal;
	struct signal_group_frame to_group;

	switch (frame->tag) {
	case FRAME_GO:
		return !keeper->post && take_go(keeper);
	case FRAME_SIGNAL:
		if (!read_signal_frame(frame, &signal))
			return false;
		keeper_take_signal(keeper, (int)signal.signal, false);
		return true;
	case FRAME_SIGNAL_GROUP:
		if (!read_signal_group_frame(frame, &to_group))
			return false;
		keeper_take_signal(keeper, (int)to_group.signal, true);
		return true;
	case FRAME_FOREGROUND:
	case FRAME_BACKGROUND:
		keeper_take_foreground(keeper, frame->tag == FRAME_FOREGROUND);
		return true;
	default:
		return false;
	}
}

/* Reads orders. Finishes at the end of the socket and at a frame that it cannot take. */
static void read_control(struct keeper *keeper)
{
	struct frame frame;
	enum frame_got got;

	if (channel_receive(&keeper->control) == CHANNEL_END) {
		keeper->told_end = true;
		finish(keeper);
	}
	while ((got = channel_next(&keeper->control, &frame)) == FRAME_WHOLE)
		if (!take_control_frame(keeper, &frame))
			break;
	keeper_pass_on_signals(keeper);
	if (got != FRAME_NONE) {
		if (!keeper->executed)
			keeper_report_failed(keeper, "protocol", EPROTO, "init was sent what it does not understand");
		finish(keeper);
	}
}

/* The link ends: by the exec, or by the death of the payload's process. */
static void link_ended(struct keeper *keeper)
{
	close(keeper->link);
	keeper->link = -1;
	if (!keeper->told_go) {
		keeper_report_failed(keeper, "init", 0, "the payload's process was killed before its exec");
		finish(keeper);
	}
	keeper->executed = true;
	keeper_report_executed(keeper);
}

/* False when there was nothing to read. */
static bool read_link(struct keeper *keeper)
{
	char text[8192];
	/* one short frame, written at once */
	ssize_t n = recv(keeper->link, text, sizeof text, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < 5) { /* the end, or less than a frame */
		link_ended(keeper);
		return true;
	}
	keeper->failed = true;
	keeper_report(keeper, text, (size_t)n);
	finish(keeper);
}

/* Once the payload's process is dead: nothing more comes from it, even if another process holds its end of the link. */
static void settle_link(struct keeper *keeper)
{
	while (keeper->link >= 0)
		if (!read_link(keeper))
			link_ended(keeper);
}

/* Reaps dead children. Finishes when the payload's process is among them. */
static void read_children(struct keeper *keeper)
{
	reap(&keeper->reaper, keeper->payload->terminal ? WUNTRACED : 0, false);
	if (!keeper->ended)
		return;
	settle_link(keeper);
	pause_at(keeper, "ended");
	finish(keeper);
}

_Noreturn void keeper_main(struct payload *payload, const struct channel *control, const struct post *post)
{
	struct keeper keeper = { .control = *control, .payload = payload, .post = post, .link = -1 };

	keeper.lines[0].from = keeper.lines[0].to = keeper.lines[1].from = keeper.lines[1].to = -1;
	keeper.reaper = (struct reaper){ .reaped = reaped, .context = &keeper };
	reaper_begin();
	start_payload(&keeper);
	for (;;) {
		struct pollfd ready[KEEPER_LINES_POLLS + 2];
		int timeout = keeper_lines_wanted(&keeper, ready);
		struct pollfd *rest = ready + KEEPER_LINES_POLLS;
		rest[0] = (struct pollfd){ .fd = keeper.control.fd, .events = POLLIN };
		rest[1] = (struct pollfd){ .fd = keeper.link, .events = POLLIN };
		bool dead = reaper_wait(&keeper.reaper, ready, KEEPER_LINES_POLLS + 2, timeout);
		if (!post)
			limited_look(keeper.control.fd);
		if (rest[1].revents && keeper.link >= 0)
			read_link(&keeper);
		keeper_lines_move(&keeper, ready);
		if (rest[0].revents)
			read_control(&keeper);
		if (dead)
			read_children(&keeper);
	}
}
