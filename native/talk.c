/* The conversation with the brain, and with its successors when it dies. */
#include "state.h"
#include "util.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	/* A brain that does not read loses notes of signals from here on, never a frame of the box. */
	NOTES_MAX = 1 << 20,
	/* From the end of its socket to its own; and from its SIGKILL. */
	BRAIN_EXIT_MS = 2000,
	BRAIN_KILL_MS = 500,
	LOOK_US = 100,
	/* The command line was wrong (src/errors.ts, EXIT.usage). */
	EXIT_USAGE = 64,
};

static bool payload_may_have_run(const struct front *front)
{
	return front->launched_once;
}

static const char *state_word(const struct front *front)
{
	if (!front->talk.directory)
		return "fresh";
	if (front->talk.over)
		return "over";
	if (front->any_ended)
		return "ended";
	return front->box.there ? "running" : "prepared";
}

static void send_hello(struct front *front)
{
	struct talk *talk = &front->talk;
	const struct caller *caller = front->caller;
	struct message hello;
	char mask[16];

	message_begin(&hello, 'H');
	message_add(&hello, state_word(front));
	message_add(&hello, talk->directory ? talk->directory : "");
	message_add_number(&hello, getpid());
	message_add_number(&hello, caller->started);
	snprintf(mask, sizeof mask, "%04o", (unsigned)caller->umask);
	message_add(&hello, mask);
	message_add_number(&hello, talk->started);
	message_add_number(&hello, caller->argc);
	for (int i = 0; i < caller->argc; i++)
		message_add(&hello, caller->argv[i]);
	message_add(&hello, caller->cwd);
	for (char **entry = caller->environment; *entry; entry++)
		message_add(&hello, *entry);
	channel_send(&talk->channel, &hello);
}

static struct message copy_of(const struct message *message)
{
	return (struct message){ .data = xmemdup(message->data, message->size),
				 .size = message->size,
				 .capacity = message->size };
}

static void replay(struct talk *talk)
{
	for (size_t i = 0; i < talk->told_count; i++) {
		struct message again = copy_of(&talk->told[i]);
		channel_send(&talk->channel, &again);
	}
}

/* A fresh brain starts from nothing: what became of its predecessor's launch is not its business. */
static void forget_told(struct talk *talk)
{
	for (size_t i = 0; i < talk->told_count; i++)
		message_free(&talk->told[i]);
	talk->told_count = 0;
}

void talk_start(struct front *front)
{
	struct talk *talk = &front->talk;
	int socket[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socket) || (socket[0] = above_standard(socket[0])) < 0 ||
	    (socket[1] = above_standard(socket[1])) < 0) {
		front_fail(front, xprintf("socketpair: %s", strerror(errno)));
		return;
	}
	int output[2] = { -1, -1 };
	if (front->command_line)
		speech_open(&front->speech, output);
	front->speech.held = front->cramped;
	pid_t pid = brain_start(front->file, front->caller, front->command_line, socket[1], output);
	int error = errno;
	for (int i = 0; i < 2; i++)
		if (output[i] >= 0)
			close(output[i]);
	close(socket[1]);
	if (pid < 0) {
		close(socket[0]);
		front_fail(front, xprintf("cannot fork for the brain: %s", strerror(error)));
		return;
	}
	channel_open(&talk->channel, socket[0]);
	talk->pid = pid;
	talk->past[talk->started++] = pid;
	talk->reaped = false;
	send_hello(front);
	if (talk->directory)
		replay(talk);
	else
		forget_told(talk);
}

void talk_tell(struct front *front, struct message *message)
{
	struct talk *talk = &front->talk;

	talk->told = xrealloc(talk->told, (talk->told_count + 1) * sizeof *talk->told);
	talk->told[talk->told_count++] = copy_of(message);
	channel_send(&talk->channel, message);
}

static void tell_signal(struct front *front, char tag, int signo)
{
	struct message note;

	if (front->talk.channel.out_size > NOTES_MAX)
		return;
	message_begin(&note, tag);
	message_add_number(&note, signo);
	channel_send(&front->talk.channel, &note);
}

void talk_note(struct front *front, int signo)
{
	tell_signal(front, 'N', signo);
}

void talk_kept(struct front *front, int signo)
{
	tell_signal(front, 'P', signo);
}

/* No brain will come any more. */
static void go_on_alone(struct front *front, const char *why)
{
	if (front->talk.over) {
		box_kill(front);
		front_end(front, front->talk.over_status);
		return;
	}
	if (!payload_may_have_run(front)) {
		front_fail(front, xprintf("%s; the payload was not run", why));
		box_kill(front);
		return;
	}
	/* What runs may end in peace; when nothing of its box is left, so do we, if the last brain does not know better. */
	box_wind_up(front);
	if (front->command_line && front->talk.directory) { /* else descriptor 2 is the payload's alone by now */
		free(front->last_words);
		front->last_words = xprintf("%s; the record is left to a sweep (tare records sweep)", why);
	}
	front->alone = front->ending = true;
}

/* The command line's brain may have had no job to run: it was asked for help, or called wrongly. */
static bool ended_by_itself(struct front *front, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	if (!front->command_line || front->talk.directory || front->box.there || (code != 0 && code != EXIT_USAGE))
		return false;
	front_end(front, status);
	return true;
}

/* Its socket has ended, so it is about to. */
static bool await_end(struct talk *talk, int *status, int milliseconds)
{
	for (int waited_us = 0; waited_us < milliseconds * 1000; waited_us += LOOK_US) {
		if (waitpid(talk->pid, status, WNOHANG) == talk->pid)
			return talk->reaped = true;
		usleep(LOOK_US);
	}
	return false;
}

static void lost(struct front *front, const char *why)
{
	struct talk *talk = &front->talk;

	if (!talk->reaped)
		kill(talk->pid, SIGKILL); /* two brains must not write one record */
	channel_close(&talk->channel);
	talk->pid = 0;
	if (front->ending)
		return;
	char *where = NULL;
	if (front->speech.held) { /* what its runtime says of that is not the caller's to read */
		speech_forget(&front->speech);
		why = where = xprintf("%s within the caller's limits (%s), before it did anything: raise them", why, front->cramped);
	}
	if (talk->directory && talk->started < BRAINS) {
		talk_start(front);
	} else if (!talk->directory && !payload_may_have_run(front) && talk->started < BRAINS_FRESH) {
		box_kill(front);
		talk->start_when_gone = front->box.there;
		if (!talk->start_when_gone)
			talk_start(front);
	} else {
		go_on_alone(front, why);
	}
	free(where);
}

/* What brains died of may have been the box's doing: without it one more writes the record. */
bool talk_last(struct front *front)
{
	struct talk *talk = &front->talk;

	if (!front->alone || talk->last || !talk->directory)
		return false;
	talk->last = true;
	front->alone = front->ending = false;
	free(front->last_words);
	front->last_words = NULL;
	talk_start(front);
	if (!talk->pid)
		front->alone = front->ending = true;
	return true;
}

void talk_give_up(struct front *front, const char *why)
{
	struct talk *talk = &front->talk;

	kill(-talk->pid, SIGKILL); /* what it has started is of its session */
	talk->started = BRAINS;
	talk->last = true;
	lost(front, why);
}

void talk_box_gone(struct front *front)
{
	if (front->talk.start_when_gone && !front->ending) {
		front->talk.start_when_gone = false;
		talk_start(front);
	}
}

/* Kind and number of `Q` and `O`. */
static bool quit_status(const struct talk *talk, struct frame *frame, int *status)
{
	const char *kind = frame_string(frame);
	long number;

	if (!kind)
		return false;
	if (talk->over && !strcmp(kind, "over"))
		*status = talk->over_status;
	else if (!strcmp(kind, "code") && frame_number(frame, 0, 255, &number))
		*status = (int)number << 8;
	else if (!strcmp(kind, "signal") && frame_number(frame, 1, SIG_LAST, &number))
		*status = (int)number;
	else if (strcmp(kind, "status") || !frame_status(frame, status))
		return false;
	return true;
}

static bool take_quit(struct front *front, struct frame *frame)
{
	int status;

	if (!quit_status(&front->talk, frame, &status))
		return false;
	box_kill(front);
	front_end(front, status);
	return true;
}

/* All is told, also to the batch system: a brain that follows has only to remove what this one keeps. */
static bool take_over(struct front *front, struct frame *frame)
{
	struct talk *talk = &front->talk;

	if (!talk->directory || !quit_status(talk, frame, &talk->over_status))
		return false;
	talk->over = true;
	return true;
}

static bool take_state(struct front *front, struct frame *frame)
{
	const char *directory = frame_string(frame);

	if (!directory || !*directory)
		return false;
	free(front->talk.directory);
	front->talk.directory = xmemdup(directory, strlen(directory) + 1);
	return true;
}

/* The brain could not be executed: no other one could. */
static bool take_not_executed(struct front *front, struct frame *frame)
{
	const char *path;
	long error;

	if (!frame_number(frame, 0, 4095, &error) || !(path = frame_string(frame)))
		return false;
	char *why = xprintf("cannot execute %s: %s", path, strerror((int)error));
	front->talk.started = BRAINS;
	front->talk.last = true;
	lost(front, why);
	free(why);
	return true;
}

static bool take_say(struct front *front, struct frame *frame)
{
	const char *text = frame_string(frame);

	if (text && !payload_may_have_run(front))
		front_say(text);
	return text;
}

static bool take_drop(struct front *front, struct frame *frame)
{
	long descriptor;

	if (!frame_number(frame, 1, 2, &descriptor))
		return false;
	speech_drop(&front->speech, (int)descriptor);
	return true;
}

/* A JavaScript runtime may count its own clock from anywhere. */
static bool take_time(struct front *front)
{
	struct message time;

	message_begin(&time, 'T');
	message_add_number(&time, monotonic_us());
	channel_send(&front->talk.channel, &time);
	return true;
}

static bool take_signal(struct front *front, struct frame *frame)
{
	long signo;

	if (!frame_number(frame, 1, SIG_LAST, &signo))
		return false;
	if (frame->at < frame->end)
		return box_signal_one(front, (int)signo, frame);
	box_signal(front, (int)signo, false);
	return true;
}

static bool take_frame(struct front *front, struct frame *frame)
{
	switch (frame->tag) {
	case 'S':
		return take_state(front, frame);
	case 'L':
		/* A payload runs once; another launch is for one that failed. */
		if (front->box.there || payload_may_have_run(front))
			return false;
		forget_told(&front->talk); /* a brain that follows is told of this launch, not of one that failed */
		box_launch(front, frame);
		return true;
	case 'D':
		if (front->box.there || payload_may_have_run(front))
			return false;
		box_replace(front, frame);
		return true;
	case 'G':
		return box_go(front, frame);
	case 'C':
		return take_drop(front, frame);
	case 'K':
		return take_signal(front, frame);
	case 'A':
		if (frame->at < frame->end)
			return box_kill_one(front, frame);
		box_kill(front);
		return true;
	case 'V':
		return patience_take(front, frame);
	case 'W':
		box_wind_up(front);
		return true;
	case 'T':
		return take_time(front);
	case 'Y':
		return take_say(front, frame);
	case 'O':
		return take_over(front, frame);
	case 'Q':
		return take_quit(front, frame);
	case '!':
		return take_not_executed(front, frame);
	default:
		return false;
	}
}

/* Takes what frames there are. False when the brain broke the protocol. */
static bool take_frames(struct front *front)
{
	struct channel *channel = &front->talk.channel;
	pid_t pid = front->talk.pid;
	struct frame frame;
	enum frame_got got;

	while ((got = channel_next(channel, &frame)) == FRAME_WHOLE) {
		front->speech.held = false;
		if (!take_frame(front, &frame))
			return false;
		if (front->ending || front->talk.pid != pid)
			return true; /* the frame was the last one that counts */
	}
	return got == FRAME_NONE;
}

void talk_read(struct front *front)
{
	struct channel *channel = &front->talk.channel;
	pid_t pid = front->talk.pid;

	if (front->ending) { /* after `Q` there is nothing more to say */
		channel_close(channel);
		return;
	}
	enum channel_got received = channel_receive(channel);

	if (!take_frames(front)) {
		lost(front, "the brain broke the protocol");
		return;
	}
	int status = -1;
	if (received == CHANNEL_END && front->talk.pid == pid && !front->ending &&
	    !(front->command_line && !front->talk.directory && await_end(&front->talk, &status, BRAIN_EXIT_MS) &&
	      ended_by_itself(front, status)))
		lost(front, "the brain died");
}

void talk_reaped(struct front *front, int status)
{
	struct talk *talk = &front->talk;
	pid_t pid = talk->pid;

	talk->reaped = true;
	/* Its last words may be in the socket still. Without an end there (somebody has inherited the other side), the
	 * brain is dead all the same. */
	while (talk->pid == pid && talk->channel.fd >= 0 && !front->ending) {
		if (channel_receive(&talk->channel) != CHANNEL_BYTES) {
			if (!ended_by_itself(front, status))
				lost(front, "the brain died");
			return;
		}
		if (!take_frames(front)) {
			lost(front, "the brain broke the protocol");
			return;
		}
	}
}

/* Whoever sees us end must not find a process of ours: it has nothing to do any more but to wind up JavaScript. */
void talk_end(struct front *front)
{
	struct talk *talk = &front->talk;
	int status;

	if (talk->pid <= 0 || talk->reaped)
		return;
	kill(talk->pid, SIGKILL);
	await_end(talk, &status, BRAIN_KILL_MS);
}
