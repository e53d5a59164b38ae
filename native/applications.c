/* init between the front and the keepers: starts them, passes orders down and reports up, and stands in for one that
 * was killed. It never waits for a keeper: each start is answered for when the keeper was reaped, with what it
 * reported, or for a killed one when nothing is left of its application. */
#include "applications.h"
#include "keeper.h"
#include "limited.h"
#include "reap.h"
#include "step.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	/* From the end of its control socket to a keeper's own: longer than it waits for the readers of last lines. */
	KEEPER_END_MS = 2000,
	ORPHANS_AGAIN_MS = 20,
	/* A keeper that does not read (it was stopped) loses signals from here on. */
	SIGNALS_MAX = 64 << 10,
	/* Entries of the loop's poll that are no keeper's. */
	OWN_POLLS = 1,
};

/* What `E` says, in its order. Negative: not known. */
enum { STATUS, PAYLOAD_USER, PAYLOAD_SYSTEM, USER, SYSTEM, MAXRSS, KILLED, ENDED, FIGURES };

struct application {
	struct payload *payload;
	struct channel control; /* to its keeper; closed when none runs */
	pid_t keeper; /* 0: none runs */
	long start;
	long long told_end_us; /* 0: not told */
	bool reported; /* its keeper did; `E` is in `figures` */
	struct message failed; /* `F`, to be sent when the keeper is reaped; without data when it was `E` */
	bool lost; /* its keeper was killed; what that left is not yet gone */
	long figures[FIGURES];
};

struct box {
	struct channel control;
	struct reaper reaper;
	struct application *applications;
	size_t count;
	struct received *descriptors; /* of the caller, until nothing will be started any more */
	size_t descriptor_count;
	int lock;
	bool winding_up;
	bool ending; /* the front is gone or has said so */
	long sum[FIGURES];
};

static bool is_busy(const struct application *application)
{
	return application->keeper || application->lost;
}

static size_t index_of(const struct box *box, const struct application *application)
{
	return (size_t)(application - box->applications);
}

static void add_place(struct message *message, const struct box *box, const struct application *application)
{
	message_add_number(message, (long long)index_of(box, application));
	message_add_number(message, application->start);
}

static void report_failed(struct box *box, struct application *application, const char *what)
{
	struct message message;

	message_failed(&message, "fork", errno, what);
	add_place(&message, box, application);
	message_send(&message, box->control.fd);
}

static void add_figures(struct message *message, const long figures[FIGURES])
{
	for (int i = 0; i < FIGURES; i++)
		if (figures[i] < 0)
			message_add(message, "");
		else
			message_add_number(message, figures[i]);
}

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

static void report_ended(struct box *box, struct application *application)
{
	struct message message;

	message_begin(&message, 'Z');
	add_place(&message, box, application);
	add_figures(&message, application->figures);
	message_send(&message, box->control.fd);
	add_up(box->sum, application->figures);
}

static void add_usage(long figures[FIGURES], const struct rusage *usage)
{
	long maxrss = usage->ru_maxrss * 1024L;

	figures[USER] += usage->ru_utime.tv_sec * 1000000L + usage->ru_utime.tv_usec;
	figures[SYSTEM] += usage->ru_stime.tv_sec * 1000000L + usage->ru_stime.tv_usec;
	figures[MAXRSS] = figures[MAXRSS] < maxrss ? maxrss : figures[MAXRSS];
}

/* From the keeper: `E`, or `F` of this start, which gets its place. */
static void take_report(struct box *box, struct application *application, struct frame *frame)
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

static void read_keeper(struct box *box, struct application *application)
{
	struct frame frame;
	enum channel_got received = channel_receive(&application->control);

	while (!application->reported && channel_next(&application->control, &frame) == FRAME_WHOLE)
		take_report(box, application, &frame);
	if (received == CHANNEL_END)
		channel_close(&application->control);
}

static void keeper_reaped(struct box *box, struct application *application, const struct rusage *usage)
{
	while (!application->reported && application->control.fd >= 0)
		read_keeper(box, application);
	channel_close(&application->control);
	application->keeper = 0;
	if (application->failed.data) {
		message_send(&application->failed, box->control.fd);
	} else if (application->reported) {
		report_ended(box, application);
	} else {
		application->lost = true;
		memset(application->figures, 0, sizeof application->figures);
		application->figures[STATUS] = SIGKILL;
		application->figures[PAYLOAD_USER] = application->figures[PAYLOAD_SYSTEM] = -1;
		application->figures[ENDED] = (long)monotonic_us();
		add_usage(application->figures, usage); /* with all that it had reaped */
	}
}

static struct application *kept_by(const struct box *box, pid_t keeper)
{
	for (size_t i = 0; i < box->count; i++)
		if (box->applications[i].keeper == keeper)
			return &box->applications[i];
	return NULL;
}

static struct application *first_lost(const struct box *box)
{
	for (size_t i = 0; i < box->count; i++)
		if (box->applications[i].lost)
			return &box->applications[i];
	return NULL;
}

/* A child that is no keeper is an orphan of a killed one, or came into the box from outside. */
static void reaped(void *context, pid_t pid, int status, const struct rusage *usage, bool killing)
{
	struct box *box = context;
	struct application *application = kept_by(box, pid);

	/* whoever has its uid may stop a keeper, and nobody else would continue it */
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
	long *figures = application ? application->figures : box->sum;
	add_usage(figures, usage);
	if ((application || killing) && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		figures[KILLED]++;
}

static bool is_keeper(pid_t pid, const void *context)
{
	return kept_by(context, pid);
}

/* Kills what killed keepers have left. All others are children of keepers that live. True: look again soon. */
static bool settle_lost(struct box *box)
{
	struct application *application = first_lost(box);

	if (!application)
		return false;
	if (kill_children(is_keeper, box))
		return true;
	for (; application; application = first_lost(box)) {
		application->lost = false;
		report_ended(box, application);
	}
	return false;
}

static void close_all(const struct received *all, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(all[i].fd);
}

/* Only this start's: another keeper must see its own socket end when init is gone. */
static _Noreturn void become_keeper(struct box *box, struct application *application, int control, pid_t host)
{
	struct payload *payload = application->payload;
	struct post post = { (long)index_of(box, application), application->start, box->control.fd, box->lock, host };
	struct channel own;

	prctl(PR_SET_NAME, "tare-keeper");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (size_t i = 0; i < box->count; i++) {
		struct application *other = &box->applications[i];
		channel_close(&other->control);
		if (other != application)
			close_all(other->payload->cgroups, other->payload->cgroup_count);
	}
	payload->descriptors = box->descriptors;
	payload->descriptor_count = box->descriptor_count;
	channel_open(&own, control);
	if (!payload->input) /* the engine's 0 is /dev/null */
		payload_set_descriptor(payload, 0, fcntl(0, F_DUPFD_CLOEXEC, 3));
	keeper_main(payload, &own, &post);
}

/* The keeper of the application that this one is a guest of; 0: it does not run. */
static pid_t host_of(const struct box *box, const struct application *application)
{
	long host = application->payload->guest.host;

	return host >= 0 && (size_t)host < box->count ? box->applications[host].keeper : 0;
}

static void start(struct box *box, struct application *application)
{
	int control[2];

	application->told_end_us = 0;
	application->reported = false;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control)) {
		report_failed(box, application, "socketpair");
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
		report_failed(box, application, "the keeper");
		return;
	}
	channel_open(&application->control, control[0]);
	application->keeper = pid;
}

/* It kills what it keeps, reports and ends. */
static void tell_end(struct application *application)
{
	if (!application->keeper || application->told_end_us)
		return;
	application->told_end_us = monotonic_us();
	shutdown(application->control.fd, SHUT_WR);
}

static void tell_signal(struct application *application, int signo)
{
	struct message message;

	if (!application->keeper || application->told_end_us || application->control.out_size > SIGNALS_MAX)
		return;
	message_begin(&message, 'K');
	message_add_number(&message, signo);
	channel_send(&application->control, &message);
}

static void wind_up(struct box *box)
{
	box->winding_up = true;
	/* A reader of the caller's output waits for the applications' ends of it only. */
	close_all(box->descriptors, box->descriptor_count);
	box->descriptor_count = 0;
}

static void end(struct box *box)
{
	box->ending = true;
	wind_up(box);
	for (size_t i = 0; i < box->count; i++)
		tell_end(&box->applications[i]);
}

static struct application *named(struct box *box, struct frame *frame)
{
	long index;

	return frame_number(frame, 0, (long)box->count - 1, &index) ? &box->applications[index] : NULL;
}

static bool take_go(struct box *box, struct frame *frame)
{
	struct application *application = named(box, frame);
	long number;

	if (!application || is_busy(application) || box->winding_up ||
	    !frame_number(frame, application->start + 1, __LONG_MAX__, &number))
		return false;
	application->start = number;
	start(box, application);
	return true;
}

static bool take_signal(struct box *box, struct frame *frame)
{
	struct application *application;
	long signo;

	if (!frame_number(frame, 1, SIG_LAST, &signo))
		return false;
	if (frame->at == frame->end) {
		for (size_t i = 0; i < box->count; i++)
			if (!box->applications[i].payload->service)
				tell_signal(&box->applications[i], (int)signo);
		return true;
	}
	if ((application = named(box, frame)))
		tell_signal(application, (int)signo);
	return application;
}

/* Of the caller's terminal, to whom has it: `f`, `b`, and `k` with a signal. */
static bool take_terminal(struct box *box, struct frame *frame)
{
	const char *string = frame_string(frame);

	for (size_t i = 0; i < box->count; i++) {
		struct application *application = &box->applications[i];
		struct message message;
		if (!application->payload->terminal || !application->keeper || application->told_end_us)
			continue;
		message_begin(&message, frame->tag);
		if (string)
			message_add(&message, string);
		channel_send(&application->control, &message);
	}
	return true;
}

static bool take_frame(struct box *box, struct frame *frame)
{
	struct application *application;

	switch (frame->tag) {
	case 'G':
		return take_go(box, frame);
	case 'K':
		return take_signal(box, frame);
	case 'A':
		if ((application = named(box, frame)))
			tell_end(application);
		return application;
	case 'f':
	case 'b':
	case 'k':
		return take_terminal(box, frame);
	case 'W':
		wind_up(box);
		return true;
	default:
		return false;
	}
}

static void read_control(struct box *box)
{
	struct frame frame;
	enum frame_got got;
	bool over = channel_receive(&box->control) == CHANNEL_END;

	while ((got = channel_next(&box->control, &frame)) == FRAME_WHOLE)
		if (!take_frame(box, &frame))
			break;
	if (over || got != FRAME_NONE)
		end(box);
}

/* When to look again, in milliseconds; -1: when something happens. A keeper that is late is killed. */
static int settle_late(struct box *box)
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

static bool all_ended(const struct box *box)
{
	for (size_t i = 0; i < box->count; i++)
		if (is_busy(&box->applications[i]))
			return false;
	return true;
}

static _Noreturn void finish(struct box *box)
{
	struct message message;

	step(box->applications[0].payload->pause, "init-ended", box->control.fd);
	kill_all(&box->reaper);
	message_begin(&message, 'E');
	add_figures(&message, box->sum);
	message_send(&message, box->control.fd);
	_exit(0);
}

static void wait_and_take(struct box *box, struct pollfd *ready, int timeout)
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
		read_control(box);
}

static void begin(struct box *box)
{
	struct message message;

	box->reaper = (struct reaper){ .reaped = reaped, .context = box };
	reaper_begin();
	box->lock = memfd_create("tare-lines", MFD_CLOEXEC);
	if (box->lock < 0) {
		message_failed(&message, "init", errno, "memfd");
		message_send(&message, box->control.fd);
		_exit(EXIT_WRAPPER);
	}
	if (step(box->applications[0].payload->pause, "init-start", box->control.fd))
		_exit(EXIT_WRAPPER);
	message_begin(&message, 'R'); /* the kernel adds who we are */
	message_send(&message, box->control.fd);
}

_Noreturn void applications_main(struct payload *payloads, size_t count, struct received *descriptors,
				 size_t descriptor_count, const struct channel *control)
{
	struct box box = { .control = *control, .count = count, .descriptors = descriptors,
			   .descriptor_count = descriptor_count };
	struct pollfd *ready = xrealloc(NULL, (OWN_POLLS + count) * sizeof *ready);

	box.sum[MAXRSS] = box.sum[ENDED] = -1;
	box.applications = xrealloc(NULL, count * sizeof *box.applications);
	for (size_t i = 0; i < count; i++) {
		box.applications[i] = (struct application){ .payload = &payloads[i] };
		channel_open(&box.applications[i].control, -1);
	}
	begin(&box);
	for (;;) {
		bool soon = settle_lost(&box);
		if (box.winding_up && all_ended(&box))
			finish(&box);
		int late = settle_late(&box);
		wait_and_take(&box, ready, soon ? ORPHANS_AGAIN_MS : late);
	}
}
