/* What stands between a payload and everything else. For the only payload of a box this is process 1 itself (or, without
 * a PID namespace, a subreaper) and its orders come from the front; one of several applications has a process of its
 * own for it, and init in the front's place. */
#include "keeper.h"
#include "limited.h"
#include "lines.h"
#include "pty.h"
#include "reap.h"
#include "step.h"
#include "util.h"
#include "wait.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	/* How soon after the caller each process has what a batch system sends to all of them. */
	TO_ALL_MS = 10,
	/* How long a reader that does not read is waited for when the application was to be killed. */
	LAST_LINES_MS = 500,
};

struct keeper {
	struct channel control;
	struct reaper reaper;
	struct payload *payload;
	const struct post *post; /* NULL: for the only payload */
	struct lines lines[2]; /* descriptors 1 and 2 */
	pid_t pid; /* the payload's, 0 before the fork */
	pid_t foreground; /* group in front in the box when its caller took its terminal back, 0: none but the payload's */
	int link; /* to the payload's process until its exec; -1 then */
	bool told_go, executed, failed, ended;
	sigmask kept[2]; /* standard signals that have come: for the payload, for its group */
	bool told_end; /* by the end of the control socket */
	long long go_us, ended_us; /* CLOCK_MONOTONIC: just before the exec, and when the payload was reaped */
	int status;
	struct rusage usage;
	long killed;
};

static void send_frame(struct keeper *keeper, struct message *message)
{
	message_send(message, keeper->control.fd);
}

static void report_failed(struct keeper *keeper, const char *step_name, int error, const char *what)
{
	struct message message;

	if (keeper->failed)
		return;
	keeper->failed = true;
	message_failed(&message, step_name, error, what);
	send_frame(keeper, &message);
}

/* The payload's end, as far as the payload's process is concerned. */
static void note_end(struct keeper *keeper, int status, const struct rusage *usage)
{
	keeper->ended = true;
	keeper->ended_us = monotonic_us();
	keeper->status = status;
	keeper->usage = *usage;
}

static void report_stopped(struct keeper *keeper, int status)
{
	struct message message;

	message_begin(&message, 'S');
	message_add_number(&message, WSTOPSIG(status));
	send_frame(keeper, &message);
}

static void reaped(void *context, pid_t pid, int status, const struct rusage *usage, bool killing)
{
	struct keeper *keeper = context;

	if (WIFSTOPPED(status)) {
		if (pid == keeper->pid)
			report_stopped(keeper, status);
	} else if (pid == keeper->pid && !keeper->ended) {
		note_end(keeper, status, usage);
	} else if (killing && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
		keeper->killed++;
	}
}

static long long microseconds(struct timeval time)
{
	return time.tv_sec * 1000000LL + time.tv_usec;
}

static void report_ended(struct keeper *keeper)
{
	struct rusage all;
	struct message message;

	getrusage(RUSAGE_CHILDREN, &all);
	message_begin(&message, 'E');
	message_add_number(&message, keeper->status);
	message_add_number(&message, microseconds(keeper->usage.ru_utime));
	message_add_number(&message, microseconds(keeper->usage.ru_stime));
	message_add_number(&message, microseconds(all.ru_utime));
	message_add_number(&message, microseconds(all.ru_stime));
	message_add_number(&message, all.ru_maxrss * 1024LL);
	message_add_number(&message, keeper->killed);
	message_add_number(&message, keeper->ended_us);
	send_frame(keeper, &message);
}

static bool has_lines(const struct keeper *keeper)
{
	return !lines_done(&keeper->lines[0]) || !lines_done(&keeper->lines[1]);
}

/* For poll: entries for both streams. Returns the longest wait in milliseconds, -1: any. */
static int lines_of_both(const struct keeper *keeper, struct pollfd *ready)
{
	for (int i = 0; i < 2; i++)
		lines_wanted(&keeper->lines[i], ready + i * LINES_POLLS);
	return keeper->lines[0].locked_out || keeper->lines[1].locked_out ? LINES_AGAIN_MS : -1;
}

static void move_lines(struct keeper *keeper, const struct pollfd *ready)
{
	for (int i = 0; i < 2; i++)
		lines_move(&keeper->lines[i], &keeper->lines[1 - i], keeper->payload->name, ready + i * LINES_POLLS);
}

/* Orders come too late now, but for the one to end. */
static void hear_end(struct keeper *keeper)
{
	struct frame frame;

	if (channel_receive(&keeper->control) == CHANNEL_END)
		keeper->told_end = true;
	while (channel_next(&keeper->control, &frame) == FRAME_WHOLE)
		;
}

/* What the application has written, now that nobody of it is left. */
static void pass_on_the_rest(struct keeper *keeper)
{
	struct pollfd ready[2 * LINES_POLLS + 1] = { 0 }, *control = &ready[2 * LINES_POLLS];
	long long until = 0;

	for (int i = 0; i < 2; i++)
		keeper->lines[i].last = true;
	for (;;) {
		move_lines(keeper, ready);
		if (control->revents)
			hear_end(keeper);
		if (keeper->told_end && !until)
			until = monotonic_us() + LAST_LINES_MS * 1000;
		if (!has_lines(keeper) || (until && monotonic_us() >= until))
			return;
		int timeout = lines_of_both(keeper, ready);
		*control = (struct pollfd){ .fd = keeper->told_end ? -1 : keeper->control.fd, .events = POLLIN };
		wait_for(ready, 2 * LINES_POLLS + 1, until && timeout < 0 ? LAST_LINES_MS : timeout, SIG_STANDARD);
	}
}

static void settle_link(struct keeper *keeper);

/* Of an application each start is answered for, also one that was ended on its way to the exec. */
static void settle_start(struct keeper *keeper, bool alone)
{
	if (alone && !keeper->failed)
		settle_link(keeper); /* its other end is dead: it says what became of the exec */
	if (!keeper->executed)
		report_failed(keeper, "init", 0, "the application was ended before its exec");
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
	pass_on_the_rest(keeper);
	if (keeper->executed && (alone || keeper->ended))
		report_ended(keeper);
	_exit(keeper->executed ? 0 : EXIT_WRAPPER);
}

static bool pause_at(const struct keeper *keeper, const char *what)
{
	char name[32];

	snprintf(name, sizeof name, "%s-%s", keeper->post ? "keeper" : "init", what);
	return step(keeper->payload->pause, name, keeper->control.fd);
}

/* Pipes in place of the descriptors that the application would have written to. */
static void open_lines(struct keeper *keeper)
{
	struct payload *payload = keeper->payload;

	for (size_t i = 0; payload->prefixed && i < payload->descriptor_count; i++) {
		int target = payload->descriptors[i].target;
		if ((target != 1 && target != 2) || payload->files[target])
			continue;
		int job = fcntl(payload->descriptors[i].fd, F_DUPFD_CLOEXEC, 3);
		int end = job < 0 ? -1 : lines_open(&keeper->lines[target - 1], job, keeper->post->lock);
		if (end < 0) {
			report_failed(keeper, "output", errno, "pipe");
			finish(keeper);
		}
		payload_set_descriptor(payload, target, end);
	}
}

/* What it has no business with: between fork and exec others of the same user might look into it. */
static _Noreturn void become_payload(struct keeper *keeper, int link)
{
	int control = keeper->control.fd;

	close(keeper->link);
	if (keeper->post) {
		close(control);
		close(keeper->post->front);
		control = -1;
	}
	payload_run(keeper->payload, control, link);
}

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
		report_failed(keeper, "fork", errno, "the payload's process, which waits to be let go");
		finish(keeper); /* and with it what waits */
	}
	return true;
}

static void start_payload(struct keeper *keeper)
{
	struct payload *payload = keeper->payload;
	int link[2];

	if (pause_at(keeper, "start"))
		finish(keeper);
	open_lines(keeper);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link)) {
		report_failed(keeper, "fork", errno, "socketpair");
		finish(keeper);
	}
	keeper->link = link[0];
	if (payload->terminal && !pty_lead(payload->tty)) {
		report_failed(keeper, "terminal", errno, "TIOCSCTTY");
		finish(keeper);
	}
	const char *what = NULL;
	if (keeper->post && !guest_prepare(&payload->guest, keeper->post->host, &what)) {
		report_failed(keeper, "system", errno, what);
		finish(keeper);
	}
	keeper->pid = fork();
	if (keeper->pid == 0)
		become_payload(keeper, link[1]);
	int error = errno;
	close(link[1]);
	guest_release(&payload->guest);
	if (keeper->pid < 0) {
		keeper->pid = 0;
		report_failed(keeper, "fork", error, "the payload's process");
		finish(keeper);
	}
	/* A pipe's reader must see its end when the payload closes it. */
	for (size_t i = 0; i < payload->descriptor_count; i++)
		close(payload->descriptors[i].fd);
	for (size_t i = 0; i < payload->cgroup_count; i++)
		close(payload->cgroups[i].fd);
	bool told_end = pause_at(keeper, "forked");
	if (keeper->post && !told_end)
		take_go(keeper);
}

static void pass_on(struct keeper *keeper, int signo, bool to_group)
{
	/* Who sends a signal to every process of a job (Slurm) has sent it to the payload too. All are blocked here, so it is pending.
	 * What the box's terminal may have sent says nothing of the payload. */
	bool of_terminal = keeper->payload->terminal && pty_sends(signo);
	if (keeper->executed && !of_terminal && sig_take(signo, TO_ALL_MS))
		return;
	if (keeper->pid && !keeper->ended) /* not reaped, so the pid is still the payload's */
		kill(to_group ? -keeper->pid : keeper->pid, signo);
}

/* Standard signals are kept until all that has come is read: the kernel too has each once, however often it was sent (signal(7)). So a
 * flood of one keeps no other waiting. One that stops takes SIGCONT away, and that takes those away. */
static bool take_signal(struct keeper *keeper, struct frame *frame, bool to_group)
{
	static const sigmask stops = SIG_BIT(SIGSTOP) | SIG_BIT(SIGTSTP) | SIG_BIT(SIGTTIN) | SIG_BIT(SIGTTOU);
	sigmask *kept = &keeper->kept[to_group];
	long signo;

	if (!frame_number(frame, 1, SIG_LAST, &signo))
		return false;
	if (signo >= 32) {
		pass_on(keeper, (int)signo, to_group);
		return true;
	}
	*kept &= signo == SIGCONT ? ~stops : SIG_BIT(signo) & stops ? ~SIG_BIT(SIGCONT) : SIG_EVERY;
	*kept |= SIG_BIT(signo);
	return true;
}

static void pass_on_kept(struct keeper *keeper)
{
	for (int to_group = 0; to_group < 2; to_group++) {
		for (int signo = 1; signo < 32; signo++)
			if (keeper->kept[to_group] & SIG_BIT(signo))
				pass_on(keeper, signo, to_group);
		keeper->kept[to_group] = 0;
	}
}

/* Who runs in the box may have put another group in front, as shells do. */
static bool take_foreground(struct keeper *keeper, bool in_front)
{
	struct payload *payload = keeper->payload;

	if (!payload->terminal || !keeper->pid || keeper->ended)
		return true;
	if (in_front) {
		if (!keeper->foreground || kill(-keeper->foreground, 0) || tcsetpgrp(payload->tty, keeper->foreground))
			pty_foreground(payload->tty, keeper->pid);
		keeper->foreground = 0;
		return true;
	}
	pid_t now = tcgetpgrp(payload->tty);
	keeper->foreground = now > 0 && now != getpgrp() ? now : 0;
	tcsetpgrp(payload->tty, getpgrp());
	return true;
}

static bool take_frame(struct keeper *keeper, struct frame *frame)
{
	switch (frame->tag) {
	case 'G':
		return !keeper->post && take_go(keeper);
	case 'K':
		return take_signal(keeper, frame, false);
	case 'k':
		return take_signal(keeper, frame, true);
	case 'f':
	case 'b':
		return take_foreground(keeper, frame->tag == 'f');
	default:
		return false;
	}
}

static void read_control(struct keeper *keeper)
{
	struct frame frame;
	enum frame_got got;

	if (channel_receive(&keeper->control) == CHANNEL_END) {
		keeper->told_end = true;
		finish(keeper);
	}
	while ((got = channel_next(&keeper->control, &frame)) == FRAME_WHOLE)
		if (!take_frame(keeper, &frame))
			break;
	pass_on_kept(keeper);
	if (got != FRAME_NONE) {
		if (!keeper->executed)
			report_failed(keeper, "protocol", EPROTO, "init was sent what it does not understand");
		finish(keeper);
	}
}

static void report_executed(struct keeper *keeper)
{
	const struct post *post = keeper->post;
	struct message message;

	message_begin(&message, 'X');
	message_add_number(&message, keeper->go_us);
	if (!post) {
		send_frame(keeper, &message);
		return;
	}
	message_add_number(&message, post->index);
	message_add_number(&message, post->start);
	message_send(&message, post->front); /* the kernel adds who we are */
	close(post->front); /* whose end the front waits for */
}

/* The link ends: by the exec, or by the death of the payload's process. */
static void link_ended(struct keeper *keeper)
{
	close(keeper->link);
	keeper->link = -1;
	if (!keeper->told_go) {
		report_failed(keeper, "init", 0, "the payload's process was killed before its exec");
		finish(keeper);
	}
	keeper->executed = true;
	report_executed(keeper);
}

/* False when there was nothing to read. */
static bool read_link(struct keeper *keeper)
{
	struct message message;
	char text[8192];
	/* one short frame, written at once */
	ssize_t n = recv(keeper->link, text, sizeof text, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < 5) { /* the end, or less than a frame */
		link_ended(keeper);
		return true;
	}
	/* passed on as it is */
	message = (struct message){ .data = xmemdup(text, (size_t)n), .size = (size_t)n };
	keeper->failed = true;
	send_frame(keeper, &message);
	finish(keeper);
}

/* Once the payload's process is dead: what it has said is all, though somebody else may have got hold of its end. */
static void settle_link(struct keeper *keeper)
{
	while (keeper->link >= 0)
		if (!read_link(keeper))
			link_ended(keeper);
}

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
		struct pollfd ready[2 * LINES_POLLS + 2];
		int timeout = lines_of_both(&keeper, ready);
		struct pollfd *rest = ready + 2 * LINES_POLLS;
		rest[0] = (struct pollfd){ .fd = keeper.control.fd, .events = POLLIN };
		rest[1] = (struct pollfd){ .fd = keeper.link, .events = POLLIN };
		bool dead = reaper_wait(&keeper.reaper, ready, 2 * LINES_POLLS + 2, timeout);
		if (!post)
			limited_look(keeper.control.fd);
		if (rest[1].revents && keeper.link >= 0)
			read_link(&keeper);
		move_lines(&keeper, ready);
		if (rest[0].revents)
			read_control(&keeper);
		if (dead)
			read_children(&keeper);
	}
}
