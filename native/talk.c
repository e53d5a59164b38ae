/* See talk.h. */
#include "talk.h"
#include "generated/protocol.h"
#include "util.h"

#include <errno.h>
#include <signal.h>
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
};

void talk_begin(struct talk *talk, const struct caller *caller, const struct brain_file *file, bool command_line)
{
	talk->caller = caller;
	talk->file = file;
	talk->command_line = command_line;
	channel_open(&talk->channel, -1);
	speech_keep(&talk->speech, command_line);
	talk->cramped = caller_cramped(caller);
}

/* Sends `hello`, the first frame to every brain. */
static void send_hello(struct talk *talk, const char *state)
{
	const struct caller *caller = talk->caller;
	const struct hello_frame fields = {
		.state = state,
		.state_directory = talk->directory ? talk->directory : "",
		.front_pid = getpid(),
		.started_us = (long)caller->started,
		.umask = (unsigned)caller->umask,
		.brain = talk->started,
		.argv_count = (size_t)caller->argc,
		.argv = caller->argv,
		.cwd = caller->cwd,
		.environment = caller->environment,
	};
	struct message hello;

	write_hello_frame(&hello, &fields);
	channel_send(&talk->channel, &hello);
}

/* Copies the bytes of a message, not its descriptors: frames that are replayed have none. */
static struct message copy_of(const struct message *message)
{
	return (struct message){ .data = xmemdup(message->data, message->size),
				 .size = message->size,
				 .capacity = message->size };
}

/* Sends all kept frames again, in order. */
static void replay(struct talk *talk)
{
	for (size_t i = 0; i < talk->told_count; i++) {
		struct message again = copy_of(&talk->told[i]);
		channel_send(&talk->channel, &again);
	}
}

void talk_forget_told(struct talk *talk)
{
	for (size_t i = 0; i < talk->told_count; i++)
		message_free(&talk->told[i]);
	talk->told_count = 0;
}

/* Both ends above the standard descriptors. False, with errno. */
static bool make_link(int ends[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 && (ends[0] = above_standard(ends[0])) >= 0 &&
	       (ends[1] = above_standard(ends[1])) >= 0;
}

char *talk_start(struct talk *talk, const char *state)
{
	int socket[2], output[2] = { -1, -1 };

	if (!make_link(socket))
		return xprintf("socketpair: %s", strerror(errno));
	if (talk->command_line)
		speech_open(&talk->speech, output);
	talk->speech.held = talk->cramped;
	pid_t pid = brain_start(talk->file, talk->caller, talk->command_line, socket[1], output);
	int error = errno;
	for (int i = 0; i < 2; i++)
		close_kept(output[i]);
	close(socket[1]);
	if (pid < 0) {
		close(socket[0]);
		return xprintf("cannot fork for the brain: %s", strerror(error));
	}
	channel_open(&talk->channel, socket[0]);
	talk->pid = pid;
	talk->past[talk->started++] = pid;
	talk->reaped = false;
	send_hello(talk, state);
	if (talk->directory)
		replay(talk);
	else
		talk_forget_told(talk);
	return NULL;
}

void talk_tell(struct talk *talk, struct message *message)
{
	talk->told = xrealloc(talk->told, (talk->told_count + 1) * sizeof *talk->told);
	talk->told[talk->told_count++] = copy_of(message);
	channel_send(&talk->channel, message);
}

/* A brain that does not read loses notes. */
static bool is_behind(const struct talk *talk)
{
	return talk->channel.out_size > NOTES_MAX;
}

void talk_note(struct talk *talk, int signo)
{
	struct message note;

	if (is_behind(talk))
		return;
	write_noted_frame(&note, &(struct noted_frame){ signo });
	channel_send(&talk->channel, &note);
}

void talk_note_kept(struct talk *talk, int signo)
{
	struct message note;

	if (is_behind(talk))
		return;
	write_pending_frame(&note, &(struct pending_frame){ signo });
	channel_send(&talk->channel, &note);
}

void talk_send_time(struct talk *talk)
{
	struct message time;

	write_time_frame(&time, &(struct time_frame){ (long)monotonic_us() });
	channel_send(&talk->channel, &time);
}

/* Reaps the brain within that time. False: it lives. */
static bool reap_brain(struct talk *talk, int *status, int milliseconds)
{
	for (int waited_us = 0; waited_us < milliseconds * 1000; waited_us += LOOK_US) {
		if (waitpid(talk->pid, status, WNOHANG) == talk->pid)
			return talk->reaped = true;
		usleep(LOOK_US);
	}
	return false;
}

bool talk_await_end(struct talk *talk, int *status)
{
	return reap_brain(talk, status, BRAIN_EXIT_MS);
}

void talk_drop(struct talk *talk)
{
	if (!talk->reaped)
		kill(talk->pid, SIGKILL);
	channel_close(&talk->channel);
	talk->pid = 0;
}

void talk_end(struct talk *talk)
{
	int status;

	if (talk->pid <= 0 || talk->reaped)
		return;
	kill(talk->pid, SIGKILL);
	reap_brain(talk, &status, BRAIN_KILL_MS);
}

bool talk_is_brains(pid_t pid, const void *context)
{
	const struct talk *talk = context;
	pid_t session = getsid(pid);

	for (int i = 0; i < talk->started; i++)
		if (talk->past[i] == pid || talk->past[i] == session)
			return true;
	return false;
}
