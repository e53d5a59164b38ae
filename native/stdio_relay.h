/* What the supervisor of the command line says to the caller. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { SPEECH_CHUNK = 4096 }; /* PIPE_BUF: a descriptor that is ready takes as much without blocking */

/* One stream from the supervisor's descriptor to the caller's. */
struct stream {
	int from; /* our end of the supervisor's pipe, -1 when there is none */
	int to; /* a copy of the caller's descriptor, -1 when it was closed */
	char pending[SPEECH_CHUNK];
	size_t size;
	int failed; /* errno of what could not be written; a reader that is gone (EPIPE) is no failure */
};

struct stdio_relay {
	struct stream streams[2]; /* descriptors 1 and 2 */
	bool held; /* nothing is passed on until the supervisor works */
};

/* Keeps copies of the caller's descriptors 1 and 2 for a supervisor that writes to them, before the payload can change what they are. */
void stdio_relay_keep(struct stdio_relay *stdio, bool speaks);

/* Pipes for a new supervisor: its ends, to become its 1 and 2. -1: the caller has no such descriptor, or no pipe could be made. */
void stdio_relay_open(struct stdio_relay *stdio, int supervisor_ends[2]);

/* Drops output of the supervisor that was not passed on yet. */
void stdio_relay_forget(struct stdio_relay *stdio);

/* The descriptor to poll, and the events. -1: none. */
int stdio_relay_wanted(const struct stream *stream, short *events);
/* Reads or writes once, which does not block when poll said so. */
void stdio_relay_move(struct stream *stream);

/* Descriptor 1 or 2 is no longer used for the supervisor: its reader shall see the end when the payload closes it. */
void stdio_relay_drop(struct stdio_relay *stdio, int descriptor);

/* Passes on what the supervisor has said so far, without waiting for a reader that does not read. */
void stdio_relay_finish(struct stdio_relay *stdio);
