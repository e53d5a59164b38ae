/* What the brain of the command line says to the caller. */
#ifndef TARE_SPEECH_H
#define TARE_SPEECH_H

#include <stdbool.h>
#include <stddef.h>

enum { SPEECH_CHUNK = 4096 }; /* PIPE_BUF: a descriptor that is ready takes as much without blocking */

/* One stream from the brain's descriptor to the caller's. */
struct stream {
	int from; /* our end of the brain's pipe, -1 when there is none */
	int to; /* a copy of the caller's descriptor, -1 when it was closed */
	char pending[SPEECH_CHUNK];
	size_t size;
	int failed; /* errno of what could not be written; a reader that is gone (EPIPE) is no failure */
};

struct speech {
	struct stream streams[2]; /* descriptors 1 and 2 */
	bool held; /* nothing is passed on until the brain works */
};

/* Before the payload can change what 1 and 2 are: keeps copies of the caller's, when there is a brain that speaks. */
void speech_keep(struct speech *speech, bool speaks);

/* Pipes for a new brain: its ends, to become its 1 and 2. -1: nobody listens. */
void speech_open(struct speech *speech, int brain_ends[2]);

/* Takes back what the brain has said and nobody has heard yet. */
void speech_forget(struct speech *speech);

/* For poll: which descriptor to wait for, and whether for writing. -1: none. */
int speech_wanted(const struct stream *stream, short *events);
/* Reads or writes once, which does not block when poll said so. */
void speech_move(struct stream *stream);

/* Descriptor 1 or 2 is of no use to the brain any more: who reads it shall see the payload's end of it. */
void speech_drop(struct speech *speech, int descriptor);

/* Passes on what the brain has said so far, but waits for nobody who does not read. */
void speech_finish(struct speech *speech);

#endif
