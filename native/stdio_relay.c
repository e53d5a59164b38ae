/* The supervisor does not get the caller's descriptors 1 and 2 but pipes to us: JavaScript makes its output non-blocking,
 * and O_NONBLOCK belongs to the open file that the payload writes to as well. */
#include "stdio_relay.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LISTENER_MS = 1000 };

void stdio_relay_keep(struct stdio_relay *stdio, bool speaks)
{
	for (int i = 0; i < 2; i++) {
		stdio->streams[i].from = -1;
		stdio->streams[i].to = speaks ? fcntl(i + 1, F_DUPFD_CLOEXEC, 3) : -1;
	}
}

/* Closes our end of the supervisor's pipe. */
static void stop(struct stream *stream)
{
	close_kept(stream->from);
	stream->from = -1;
}

void stdio_relay_open(struct stdio_relay *stdio, int supervisor_ends[2])
{
	stdio_relay_finish(stdio); /* of the supervisor before */
	for (int i = 0; i < 2; i++) {
		struct stream *stream = &stdio->streams[i];
		int ends[2];
		supervisor_ends[i] = -1;
		if (stream->to < 0 || pipe2(ends, O_CLOEXEC))
			continue;
		stream->from = above_standard(ends[0]);
		supervisor_ends[i] = above_standard(ends[1]);
		fcntl(stream->from, F_SETFL, O_NONBLOCK);
	}
}

void stdio_relay_drop(struct stdio_relay *stdio, int descriptor)
{
	struct stream *stream = &stdio->streams[descriptor - 1];

	close_kept(stream->to);
	stream->to = -1;
	stream->size = 0;
	stop(stream);
}

void stdio_relay_forget(struct stdio_relay *stdio)
{
	for (int i = 0; i < 2; i++) {
		stdio->streams[i].size = 0;
		stop(&stdio->streams[i]);
	}
}

int stdio_relay_wanted(const struct stream *stream, short *events)
{
	*events = stream->size ? POLLOUT : POLLIN;
	return stream->size ? stream->to : stream->from;
}

/* False at the end of the stream, or when there is nothing now. */
static int listen_once(struct stream *stream)
{
	ssize_t n = read(stream->from, stream->pending, sizeof stream->pending);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		stop(stream);
	stream->size = n > 0 ? (size_t)n : 0;
	return n > 0;
}

/* Writes pending bytes to the caller's descriptor. Records an error other than EPIPE, and drops the rest. */
static void speak(struct stream *stream)
{
	ssize_t n = write(stream->to, stream->pending, stream->size);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 && errno != EPIPE)
		stream->failed = errno;
	if (n < 0 || (size_t)n == stream->size) { /* a listener that is gone hears nothing */
		stream->size = 0;
		return;
	}
	for (size_t i = (size_t)n; i < stream->size; i++)
		stream->pending[i - (size_t)n] = stream->pending[i];
	stream->size -= (size_t)n;
}

void stdio_relay_move(struct stream *stream)
{
	if (stream->size)
		speak(stream);
	else
		listen_once(stream);
}

void stdio_relay_finish(struct stdio_relay *stdio)
{
	for (int i = 0; i < 2; i++) {
		struct stream *stream = &stdio->streams[i];
		while (stream->size || (stream->from >= 0 && listen_once(stream))) {
			struct pollfd out = { .fd = stream->to, .events = POLLOUT };
			if (poll(&out, 1, LISTENER_MS) <= 0)
				break;
			speak(stream);
		}
		stream->size = 0;
		stop(stream);
	}
	if (stdio->streams[0].failed && stdio->streams[1].to >= 0)
		dprintf(stdio->streams[1].to, "tare: standard output cannot be written; found: %s; what was to be said is cut off\n",
			strerror(stdio->streams[0].failed));
	stdio->streams[0].failed = 0;
}
