/* The box as the front sees it: forked as the brain says, watched through init's socket, gone when the engine is
 * reaped and that socket is closed. */
#include "state.h"
#include "enter.h"
#include "parts.h"
#include "payload.h"
#include "reap.h"
#include "step.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	/* A flood of real-time signals before the exec is cut here, as the kernel's own queue would cut it. */
	KEPT_MAX = 4096,
	/* From the kill to the end of a front that is to end: its brain has waited before. */
	STUCK_MS = 10000,
};

static void tell_failed(struct front *front, const char *step_name, int error, const char *what)
{
	struct message message;

	if (front->box.failed)
		return;
	front->box.failed = true;
	message_failed(&message, step_name, error, what);
	talk_tell(front, &message);
}

static void send_plain(struct box *box, char tag)
{
	struct message message;

	message_begin(&message, tag);
	channel_send(&box->control, &message);
}

static void send_signal(struct box *box, int signo)
{
	struct message message;

	message_begin(&message, 'K');
	message_add_number(&message, signo);
	channel_send(&box->control, &message);
}

static long long microseconds(struct timeval time)
{
	return time.tv_sec * 1000000LL + time.tv_usec;
}

static void tell_gone(struct front *front)
{
	struct box *box = &front->box;
	struct rusage own;
	struct message message;

	for (size_t i = 0; i < box->errors_size; i++)
		if (!box->errors_text[i])
			box->errors_text[i] = '?';
	getrusage(RUSAGE_SELF, &own);
	message_begin(&message, 'B');
	message_add_number(&message, box->engine_status);
	message_add_number(&message, microseconds(box->engine_usage.ru_utime));
	message_add_number(&message, microseconds(box->engine_usage.ru_stime));
	message_add_number(&message, microseconds(own.ru_utime));
	message_add_number(&message, microseconds(own.ru_stime));
	message_add_bytes(&message, box->errors_text, box->errors_size);
	message_add(&message, box->limited ? "cpu" : "");
	front->any_ended = true;
	talk_tell(front, &message);
}

static void close_if_open(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* What init has received by the time of its `R`, and we need no more. */
static void forget_preparations(struct box *box)
{
	for (size_t i = 0; box->specifications && i < box->launch.command_count; i++)
		close_if_open(&box->specifications[i]);
	for (size_t i = 0; i < box->cgroup_count; i++)
		close_if_open(&box->cgroups[i]);
	free(box->specifications);
	free(box->cgroups);
	box->specifications = box->cgroups = NULL;
	box->cgroup_count = 0;
}

/* No application's success hides that another has failed, or was not run. How a service ends means nothing: it is ended. */
static void judge_several(struct box *box)
{
	box->status = 0;
	for (size_t i = 0; box->seats && i < box->launch.command_count; i++) {
		const struct seat *seat = &box->seats[i];
		if (!seat->given) {
			box->some_not_given = true;
			box->status = EXIT_WRAPPER << 8;
			return;
		}
		if (!box->status && !box->launch.commands[i].service)
			box->status = seat->status;
	}
}

static void box_clear(struct box *box)
{
	if (box->several)
		judge_several(box);
	forget_preparations(box);
	channel_close(&box->control);
	close_if_open(&box->errors);
	launch_free(&box->launch);
	free(box->seats);
	box->seats = NULL;
	box->there = false;
}

/* Opened here, with the rights that enter gives up. The path that cannot be, or NULL. */
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

static bool write_specifications(struct front *front)
{
	struct box *box = &front->box;
	size_t count = box->launch.command_count;

	box->specifications = xrealloc(NULL, count * sizeof(int));
	for (size_t i = 0; i < count; i++)
		box->specifications[i] = -1;
	for (size_t i = 0; i < count; i++) {
		box->specifications[i] =
			launch_specification(&box->launch, &box->launch.commands[i], front->caller);
		if (box->specifications[i] < 0)
			return false;
	}
	return true;
}

static void take_seats(struct box *box)
{
	size_t size = box->launch.command_count * sizeof *box->seats;

	box->several = box->launch.several;
	/* No report of it: init was killed, and it with init. */
	box->status = SIGKILL;
	box->seats = xrealloc(NULL, size);
	memset(box->seats, 0, size);
}

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

/* Nobody runs the worse for want of it. */
static void open_parts(struct front *front)
{
	close_if_open(&front->parts);
	if (front->box.launch.parts)
		front->parts = parts_make(front->box.launch.parts);
}

static void fork_enter(struct front *front)
{
	struct box *box = &front->box;
	int control[2], errors[2];

	if (!make_sockets(control, errors)) {
		tell_failed(front, "engine", errno, "socketpair, pipe");
		for (int i = 0; i < 2; i++) {
			close_if_open(&control[i]);
			close_if_open(&errors[i]);
		}
		return;
	}
	pid_t pid = fork();
	if (pid == 0)
		enter_main(&box->launch, front->caller->terminal >= 0, control[1], errors[1]);
	int error = errno;
	close(control[1]);
	close(errors[1]);
	channel_open(&box->control, control[0]);
	box->errors = errors[0];
	if (pid < 0) {
		tell_failed(front, "engine", error, "fork");
		return;
	}
	box->engine = pid;
}

void box_launch(struct front *front, struct frame *frame)
{
	struct box *box = &front->box;
	const char *path;

	front->any_ended = false;
	memset(box, 0, sizeof *box);
	box->errors = -1;
	channel_open(&box->control, -1);
	box->there = true;
	char *wrong = launch_parse(&box->launch, frame, front->caller);
	take_seats(box);
	if (wrong)
		tell_failed(front, "protocol", EINVAL, wrong);
	else if ((path = open_cgroups(box)))
		tell_failed(front, "cgroup", errno, path);
	else if (!write_specifications(front))
		tell_failed(front, "engine", errno, "memfd");
	else {
		open_parts(front);
		fork_enter(front);
	}
	free(wrong);
	if (!box->engine) {
		tell_gone(front);
		box_clear(box);
		return;
	}
	step(box->launch.pause, "front-launched", -1);
}

/* A directory, or what is named only (O_PATH): openat(2) starts there, whatever the box hides (CVE-2024-21626). */
static bool leads_out(int fd)
{
	struct stat found;
	int flags = fcntl(fd, F_GETFL);

	return (flags >= 0 && flags & O_PATH) || (!fstat(fd, &found) && S_ISDIR(found.st_mode));
}

/* The caller's descriptors. In a box one that leads out of it is closed, and 0, 1 or 2 is /dev/null: a program would take the next
 * file that it opens for it. */
static void send_descriptors(struct front *front)
{
	const struct caller *caller = front->caller;
	bool boxed = front->box.launch.engine.count > 0;
	int null = -1, count = 0; /* null stays open: what is queued is sent later */
	struct message message;

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
		if (!count++)
			message_begin(&message, 'D');
		message_add_number(&message, number);
		message_add_fd(&message, fd);
		if (count < FRAME_FDS)
			continue;
		channel_send(&front->box.control, &message);
		count = 0;
	}
	if (count)
		channel_send(&front->box.control, &message);
}

/* The numbers under which the payload gets a terminal of the box's in place of the caller's. */
static void send_terminal(struct front *front)
{
	const struct caller *caller = front->caller;
	struct message message;

	if (!caller->terminal_count)
		return;
	message_begin(&message, 'T');
	for (size_t i = 0; i < caller->terminal_count; i++)
		message_add_number(&message, caller->terminals[i]);
	channel_send(&front->box.control, &message);
}

/* init is there: all that it needs, then `B`. It reads as we write, so few descriptors are in flight at a time. */
static void send_preparations(struct front *front)
{
	struct box *box = &front->box;
	const int *cgroup = box->cgroups;
	struct message message;

	for (size_t i = 0; i < box->launch.command_count; i++) {
		const struct list *joins = &box->launch.commands[i].joins;
		message_begin(&message, 'P');
		message_add_fd(&message, box->specifications[i]);
		channel_send(&box->control, &message);
		for (size_t k = 0; k < joins->count; k++) {
			message_begin(&message, 'C');
			message_add(&message, joins->items[k]);
			message_add_fd(&message, *cgroup++);
			channel_send(&box->control, &message);
		}
	}
	send_descriptors(front);
	send_terminal(front);
	send_plain(box, 'B');
}

static void send_go(struct front *front)
{
	struct box *box = &front->box;

	if (!box->go_wanted || box->go_sent || !box->ready || box->killed)
		return;
	box->go_sent = true;
	front->launched_once = true;
	terminal_give(front);
	send_plain(box, 'G');
}

static void send_start(struct front *front, size_t index)
{
	struct box *box = &front->box;
	struct message message;

	box->go_sent = true;
	front->launched_once = true;
	message_begin(&message, 'G');
	message_add_number(&message, (long long)index);
	message_add_number(&message, box->seats[index].given);
	channel_send(&box->control, &message);
}

/* Signals that came already, and would have met the payload, are sent once more: blocked, they wait for its mask. */
static void raise_kept(struct front *front)
{
	sig_discard_pending_child();
	for (size_t i = 0; i < front->kept_count; i++)
		kill(getpid(), front->kept[i].signo);
}

void box_replace(struct front *front, struct frame *frame)
{
	struct launch launch;
	struct payload payload = { 0 };
	const char *what = NULL;
	int memfd = -1;
	char *wrong = launch_parse(&launch, frame, front->caller);

	if (!wrong && !launch_is_plain(&launch))
		wrong = xprintf("this needs a box");
	if (!wrong && ((memfd = launch_specification(&launch, launch.commands, front->caller)) < 0 || !payload_load(&payload, memfd)))
		wrong = xprintf("memfd: %s", strerror(errno));
	if (wrong) {
		front_fail(front, xprintf("the payload was not executed: %s", wrong));
		front_end(front, EXIT_NOT_EXECUTED << 8);
		free(wrong);
		return;
	}
	/* so that the payload has no child that it never made */
	kill(front->talk.pid, SIGKILL);
	waitpid(front->talk.pid, NULL, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	caller_hand_on(front->caller);
	if (!identity_take(&launch.identity, &what))
		die("the payload was not executed: %s: %s", what, strerror(errno));
	raise_kept(front);
	payload_replace(&payload);
}

/* The seat whose index is next in the frame; NULL when there is none. */
static struct seat *seat_of(struct box *box, struct frame *frame, size_t *index)
{
	long number;

	if (!box->several || !frame_number(frame, 0, (long)box->launch.command_count - 1, &number))
		return NULL;
	*index = (size_t)number;
	return &box->seats[number];
}

/* A start that was ordered before is a repetition; one too many, or too early, would run an application twice. */
static bool start_one(struct front *front, struct frame *frame)
{
	struct box *box = &front->box;
	size_t index;
	struct seat *seat = seat_of(box, frame, &index);
	long start;

	if (!seat || !frame_number(frame, 1, __LONG_MAX__, &start))
		return false;
	if (start <= seat->given || box->wound_up || box->killed)
		return true;
	if (start != seat->given + 1 || seat->busy)
		return false;
	seat->given = start;
	seat->busy = true;
	seat->status = SIGKILL;
	if (box->ready)
		send_start(front, index);
	return true;
}

bool box_go(struct front *front, struct frame *frame)
{
	if (!front->box.there)
		return true;
	if (front->box.several)
		return start_one(front, frame);
	front->box.go_wanted = true;
	send_go(front);
	return true;
}

/* To init, about one application. */
/* Of a box that is gone nothing runs, as of one that is not yet ready. `signo` 0: none is sent along. */
static bool tell_one(struct front *front, char tag, int signo, struct frame *frame)
{
	struct box *box = &front->box;
	struct message message;
	size_t index;

	if (!box->there)
		return true;
	if (!seat_of(box, frame, &index))
		return false;
	if (!box->ready)
		return true;
	message_begin(&message, tag);
	if (signo)
		message_add_number(&message, signo);
	message_add_number(&message, (long long)index);
	channel_send(&box->control, &message);
	return true;
}

bool box_signal_one(struct front *front, int signo, struct frame *frame)
{
	return tell_one(front, 'K', signo, frame);
}

bool box_kill_one(struct front *front, struct frame *frame)
{
	return tell_one(front, 'A', 0, frame);
}

void box_wind_up(struct front *front)
{
	struct box *box = &front->box;

	if (!box->there || !box->several || box->wound_up)
		return;
	box->wound_up = true;
	if (box->ready)
		send_plain(box, 'W');
}

void box_end_services(struct front *front)
{
	const struct box *box = &front->box;
	bool any = false;

	for (size_t i = 0; box->seats && i < box->launch.command_count; i++) {
		if (!box->seats[i].busy)
			continue;
		if (!box->launch.commands[i].service)
			return;
		any = true;
	}
	if (any)
		box_kill(front);
}

static void forward(struct front *front, struct kept signal)
{
	send_signal(&front->box, signal.signo);
	if (signal.noted)
		talk_note(front, signal.signo);
}

/* Kept in the order of arrival. A standard signal that waits already is not kept again: the kernel would not. */
static void keep_signal(struct front *front, struct kept signal)
{
	for (size_t i = 0; i < front->kept_count; i++)
		if (front->kept[i].signo == signal.signo && signal.signo < 32) {
			front->kept[i].noted = front->kept[i].noted || signal.noted;
			return;
		}
	if (front->kept_count == KEPT_MAX)
		return;
	front->kept = xrealloc(front->kept, (front->kept_count + 1) * sizeof *front->kept);
	front->kept[front->kept_count++] = signal;
}

void box_signal(struct front *front, int signo, bool noted)
{
	struct kept signal = { signo, noted };

	if (front->box.there && front->box.executed)
		forward(front, signal);
	else
		keep_signal(front, signal);
	/* what the payload would not hear of means nothing */
	bool heard = !((front->caller->mask | front->caller->ignored) & SIG_BIT(signo));
	if (noted && heard && !front->box.there && !front->launched_once)
		talk_kept(front, signo);
}

void box_kill(struct front *front)
{
	struct box *box = &front->box;

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

/* `sender`: the payload's process, or of several init, which waits for orders. */
static void on_ready(struct front *front, pid_t sender)
{
	struct box *box = &front->box;
	struct message message;

	box->ready = true;
	forget_preparations(box);
	message_begin(&message, 'R');
	message_add_number(&message, box->init);
	if (!box->several) {
		box->payload = sender;
		message_add_number(&message, sender);
	}
	talk_tell(front, &message);
	send_go(front);
	/* what was ordered meanwhile */
	for (size_t i = 0; i < box->launch.command_count; i++)
		if (box->seats[i].busy && !box->killed)
			send_start(front, i);
	if (box->wound_up)
		send_plain(box, 'W');
}

static void pass_on(struct front *front, struct frame *frame)
{
	struct message message;
	const char *string;

	message_begin(&message, frame->tag);
	while ((string = frame_string(frame)))
		message_add(&message, string);
	talk_tell(front, &message);
}

/* Once for a box. */
static void on_first_executed(struct front *front)
{
	struct box *box = &front->box;

	box->executed = true;
	/* The payload has them. A reader of a pipe that the payload closes must see the end. */
	caller_release(front->caller);
	for (size_t i = 0; i < front->kept_count; i++)
		forward(front, front->kept[i]);
	front->kept_count = 0;
	step(box->launch.pause, "front-running", -1);
}

/* A keeper says itself which process it is. */
static void on_one_executed(struct front *front, struct frame *frame, size_t index)
{
	struct box *box = &front->box;
	struct message message;

	message_begin(&message, 'X');
	message_add(&message, frame_string(frame));
	message_add_number(&message, (long long)index);
	message_add_number(&message, box->seats[index].given);
	message_add_number(&message, frame->sender);
	talk_tell(front, &message);
	box->may_have_run = true;
	if (!box->executed)
		on_first_executed(front);
}

/* The seat whose index and running start are the last strings of the frame, after as many others. */
static struct seat *busy_seat(struct box *box, struct frame frame, int others, size_t *index)
{
	struct seat *seat;
	long start;

	while (others-- > 0)
		if (!frame_string(&frame))
			return NULL;
	seat = seat_of(box, &frame, index);
	return seat && seat->busy && frame_number(&frame, seat->given, seat->given, &start) ? seat : NULL;
}

static bool on_one_ended(struct front *front, struct frame *frame)
{
	struct box *box = &front->box;
	struct frame copy = *frame;
	size_t index;
	struct seat *seat = busy_seat(box, *frame, 0, &index);
	int status;

	frame_string(&copy);
	frame_string(&copy);
	if (!seat || !frame_status(&copy, &status))
		return false;
	seat->busy = false;
	seat->status = status;
	box->may_have_run = true;
	pass_on(front, frame);
	return true;
}

static bool on_ended(struct front *front, struct frame *frame)
{
	struct frame copy = *frame;
	int status;

	if (!frame_status(&copy, &status))
		return false;
	front->box.ended = true;
	if (!front->box.several)
		front->box.status = status;
	else if (!front->box.may_have_run)
		front->launched_once = false;
	front->any_ended = true;
	pass_on(front, frame);
	step(front->box.launch.pause, "front-ended", -1);
	return true;
}

/* What init of several says once it is ready. */
static bool take_application_frame(struct front *front, struct frame *frame)
{
	struct box *box = &front->box;
	struct seat *seat;
	size_t index;
	long signo;

	switch (frame->tag) {
	case 'X':
		seat = busy_seat(box, *frame, 1, &index);
		if (seat)
			on_one_executed(front, frame, index);
		return seat;
	case 'F':
		seat = busy_seat(box, *frame, 3, &index);
		if (seat) {
			seat->busy = false;
			seat->status = EXIT_NOT_EXECUTED << 8;
			pass_on(front, frame);
		}
		return seat;
	case 'Z':
		return on_one_ended(front, frame);
	case 'E':
		return !box->ended && on_ended(front, frame);
	case 'L':
		return box->limited = true;
	case 'S':
		if (frame_number(frame, 1, SIG_LAST, &signo))
			terminal_stopped(front, (int)signo);
		return true;
	default:
		return false;
	}
}

static bool take_frame(struct front *front, struct frame *frame)
{
	struct box *box = &front->box;
	long signo;

	if (box->several && box->ready)
		return take_application_frame(front, frame);
	switch (frame->tag) {
	case 'I':
		if (box->init)
			return false;
		box->init = frame->sender;
		send_preparations(front);
		return true;
	case 'M':
		return box->init && !box->ready && terminal_open(front, channel_take_fd(&box->control));
	case 'R':
		if (!box->init || box->ready)
			return false;
		on_ready(front, frame->sender);
		return true;
	case 'X':
		if (!box->go_sent || box->executed)
			return false;
		pass_on(front, frame);
		on_first_executed(front);
		return true;
	case 'F':
		if (box->failed || box->executed)
			return false;
		box->failed = true;
		if (box->go_sent) /* init says that it did not run */
			front->launched_once = false;
		pass_on(front, frame);
		return true;
	case 'E':
		return box->executed && !box->ended && on_ended(front, frame);
	case 'L':
		return box->limited = true;
	case 'S':
		if (!frame_number(frame, 1, SIG_LAST, &signo))
			return false;
		terminal_stopped(front, (int)signo);
		return true;
	default:
		return false;
	}
}

void box_read(struct front *front)
{
	struct channel *control = &front->box.control;
	enum channel_got received = channel_receive(control);
	struct frame frame;
	enum frame_got got;

	while ((got = channel_next(control, &frame)) == FRAME_WHOLE)
		if (!take_frame(front, &frame))
			break;
	/* Dead, or as good as dead: with the socket closed an init that still lives kills everything and ends. The engine
	 * ends by itself, and may have something to say before. */
	if (received == CHANNEL_END || got != FRAME_NONE)
		channel_close(control);
}

/* Keeps the first 8 KiB and reads on, so that nobody blocks on writing. */
void box_read_errors(struct front *front)
{
	struct box *box = &front->box;
	char buffer[4096];
	ssize_t n;

	while (box->errors >= 0 && (n = read(box->errors, buffer, sizeof buffer)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return; /* nothing at the moment */
		size_t room = ENGINE_ERRORS - box->errors_size;
		size_t taken = (size_t)n < room ? (size_t)n : room;
		memcpy(box->errors_text + box->errors_size, buffer, taken);
		box->errors_size += taken;
	}
	close_if_open(&box->errors);
}

void box_reaped(struct front *front, pid_t pid, int status, const struct rusage *usage)
{
	struct box *box = &front->box;

	if (!box->there)
		return;
	if (pid == box->engine && !box->engine_reaped) {
		box->engine_reaped = true;
		box->engine_status = status;
		box->engine_usage = *usage;
	}
	if (pid == box->init)
		box->init_reaped = true;
}

/* init outlives a killed engine, and then it is our child (we are a subreaper), not yet dead when its socket closes. */
static bool init_is_dead(struct box *box)
{
	int status;

	if (!box->init || box->init_reaped)
		return true;
	return waitpid(box->init, &status, WNOHANG) != 0; /* ECHILD: the engine has reaped it */
}

static bool of_a_brain(pid_t pid, const void *context)
{
	const struct talk *talk = context;
	pid_t session = getsid(pid);

	for (int i = 0; i < talk->started; i++)
		if (talk->past[i] == pid || talk->past[i] == session)
			return true;
	return false;
}

/* Why the payload did not run, when nobody said so. */
static void explain(struct front *front)
{
	struct box *box = &front->box;
	static char text[ENGINE_ERRORS + 1]; /* the caller's stack may be as small */

	if (box->executed || box->go_sent || box->ended)
		return; /* it may have run: `B` without `E` says so */
	if (box->init || box->killed) {
		tell_failed(front, "init", 0, "the box ended before the payload was executed");
		return;
	}
	memcpy(text, box->errors_text, box->errors_size);
	text[box->errors_size] = 0;
	tell_failed(front, "engine", 0, *text ? text : "the engine ended before init was started");
}

/* The kernel refused to pass a descriptor, for instance for too many in flight. init would wait for ever. */
static void settle_unsent(struct front *front)
{
	int error = front->box.control.error;

	if (!error || error == EPIPE || error == ECONNRESET || front->box.executed)
		return;
	tell_failed(front, "descriptors", error, "cannot pass the caller's descriptors");
	box_kill(front);
}

/* A bubblewrap that is killed, or fails, leaves a child that waits for it for ever, with init's socket in hand. */
static bool settle_orphans(struct front *front)
{
	struct box *box = &front->box;

	return box->engine_reaped && !box->init && (box->killed || box->engine_status) &&
	       kill_children(of_a_brain, &front->talk);
}

/* A process that waits in the kernel, for a file server say, dies when that lets it. */
bool box_is_stuck(const struct front *front)
{
	const struct box *box = &front->box;

	return box->there && box->killed && monotonic_us() - box->killed_us > STUCK_MS * 1000LL;
}

/* Is anything left of the box? */
bool box_settle(struct front *front)
{
	struct box *box = &front->box;

	if (!box->there)
		return false;
	settle_unsent(front);
	if (box->control.fd >= 0 && settle_orphans(front))
		return true;
	if (box->control.fd >= 0 || !box->engine_reaped || !init_is_dead(box))
		return false;
	/* Without a PID namespace the kernel does not kill the rest when init is killed. */
	if (!box->launch.engine.count && kill_children(of_a_brain, &front->talk))
		return true;
	box_read_errors(front);
	explain(front);
	terminal_over(front);
	tell_gone(front);
	box_clear(box);
	talk_box_gone(front);
	return false;
}
