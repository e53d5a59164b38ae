/* See supervisor_link.h. */
#include "supervisor_link.h"
#include "forget.h"
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
	/* A supervisor that does not read loses notes of signals from here on, never a frame of the box. */
	NOTES_MAX = 1 << 20,
	/* From the end of its socket to its own; and from its SIGKILL. */
	SUPERVISOR_EXIT_MS = 2000,
	SUPERVISOR_KILL_MS = 500,
	LOOK_US = 100,
};

void supervisor_link_begin(struct supervisor_link *link, const struct caller *caller, const struct supervisor_file *file,
			   bool command_line)
{
	link->caller = caller;
	link->file = file;
	link->command_line = command_line;
	channel_open(&link->channel, -1);
	stdio_relay_keep(&link->stdio, command_line);
	link->cramped = caller_cramped(caller);
}

/* Sends `hello`, the first frame to every supervisor. */
static void send_hello(struct supervisor_link *link, const char *state)
{
	const struct caller *caller = link->caller;
	const struct hello_frame fields = {
		.state = state,
		.state_directory = link->directory ? link->directory : "",
		.shim_pid = getpid(),
		.started_us = (long)caller->started,
		.umask = (unsigned)caller->umask,
		.supervisor = link->started,
		.argv_count = (size_t)caller->argc,
		.argv = caller->argv,
		.cwd = caller->cwd,
		.environment = caller->environment,
	};
	struct message hello;

	write_hello_frame(&hello, &fields);
	channel_send(&link->channel, &hello);
}

/* Copies the bytes of a message, not its descriptors: frames that are replayed have none. */
static struct message copy_of(const struct message *message)
{
	return (struct message){ .data = xmemdup(message->data, message->size),
				 .size = message->size,
				 .capacity = message->size };
}

/* Sends all kept frames again, in order. */
static void replay(struct supervisor_link *link)
{
	for (size_t i = 0; i < link->told_count; i++) {
		struct message again = copy_of(&link->told[i]);
		channel_send(&link->channel, &again);
	}
}

void supervisor_link_forget_told(struct supervisor_link *link)
{
	for (size_t i = 0; i < link->told_count; i++)
		message_free(&link->told[i]);
	link->told_count = 0;
}

/* Makes a socket pair, both ends above the standard descriptors. False, with errno. */
static bool make_link(int ends[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 && (ends[0] = above_standard(ends[0])) >= 0 &&
	       (ends[1] = above_standard(ends[1])) >= 0;
}

char *supervisor_link_start(struct supervisor_link *link, const char *state)
{
	int socket[2], output[2] = { -1, -1 };

	if (!make_link(socket))
		return xprintf("socketpair: %s", strerror(errno));
	if (link->command_line)
		stdio_relay_open(&link->stdio, output);
	link->stdio.held = link->cramped;
	pid_t pid = supervisor_start(link->file, link->caller, link->command_line, socket[1], output);
	int error = errno;
	for (int i = 0; i < 2; i++)
		close_kept(output[i]);
	close(socket[1]);
	if (pid < 0) {
		close(socket[0]);
		return xprintf("cannot fork for the supervisor: %s", strerror(error));
	}
	channel_open(&link->channel, socket[0]);
	link->pid = pid;
	link->past[link->started++] = pid;
	link->reaped = false;
	send_hello(link, state);
	if (link->directory)
		replay(link);
	else
		supervisor_link_forget_told(link);
	return NULL;
}

void supervisor_link_tell(struct supervisor_link *link, struct message *message)
{
	link->told = xrealloc(link->told, (link->told_count + 1) * sizeof *link->told);
	link->told[link->told_count++] = copy_of(message);
	channel_send(&link->channel, message);
}

/* A supervisor that does not read loses notes. */
static bool is_behind(const struct supervisor_link *link)
{
	return link->channel.out_size > NOTES_MAX;
}

void supervisor_link_note(struct supervisor_link *link, int signo)
{
	struct message note;

	if (is_behind(link))
		return;
	write_noted_frame(&note, &(struct noted_frame){ signo });
	channel_send(&link->channel, &note);
}

void supervisor_link_note_kept(struct supervisor_link *link, int signo)
{
	struct message note;

	if (is_behind(link))
		return;
	write_pending_frame(&note, &(struct pending_frame){ signo });
	channel_send(&link->channel, &note);
}

void supervisor_link_send_time(struct supervisor_link *link)
{
	struct message time;

	write_time_frame(&time, &(struct time_frame){ (long)monotonic_us() });
	channel_send(&link->channel, &time);
}

/* Reaps the supervisor within that time. False: it lives. */
static bool reap_supervisor(struct supervisor_link *link, int *status, int milliseconds)
{
	for (int waited_us = 0; waited_us < milliseconds * 1000; waited_us += LOOK_US) {
		if (waitpid(link->pid, status, WNOHANG) == link->pid)
			return link->reaped = true;
		usleep(LOOK_US);
	}
	return false;
}

bool supervisor_link_await_end(struct supervisor_link *link, int *status)
{
	return reap_supervisor(link, status, SUPERVISOR_EXIT_MS);
}

void supervisor_link_drop(struct supervisor_link *link)
{
	if (!link->reaped)
		kill(link->pid, SIGKILL);
	channel_close(&link->channel);
	link->pid = 0;
}

void supervisor_link_end(struct supervisor_link *link)
{
	bool lives = link->pid > 0 && !link->reaped;
	int status;

	if (lives)
		kill(link->pid, SIGKILL);
	bool forgets = link->directory && link->goes_last;
	pid_t child = forgets ? forget_begin(link->directory, link->goes_last) : -1;
	if (lives)
		reap_supervisor(link, &status, SUPERVISOR_KILL_MS);
	if (forgets)
		forget_end(child, link->directory, link->goes_last);
}

bool supervisor_link_owns(pid_t pid, const void *context)
{
	const struct supervisor_link *link = context;
	pid_t session = getsid(pid);

	for (int i = 0; i < link->started; i++)
		if (link->past[i] == pid || link->past[i] == session)
			return true;
	return false;
}
