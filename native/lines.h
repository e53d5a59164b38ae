/* An application's output on its way to the job's: whole lines, each with the application's name before it. */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	LINE_BYTES = 64 << 10, /* a longer line is broken */
	LINES_POLLS = 2, /* how many descriptors one stream waits for */
	LINES_AGAIN_MS = 10, /* how soon to look whether another keeper has ended its long line */
};

/* Lines on their way from one descriptor of the application to the job's. */
struct lines {
	int from; /* our end of the application's pipe; -1: none, or its end was seen */
	int to; /* the job's descriptor; -1: nothing to do any more */
	int lock; /* a memfd that all keepers have */
	off_t lock_at; /* the same for all that write to the same file */
	char *in, *out; /* as the application wrote it; whole lines with their prefix */
	size_t in_at, in_size, out_sent, out_size;
	bool last; /* no writer is left: nothing more comes than what is in the pipe */
	bool holding; /* the lock */
	bool locked_out; /* another has it */
};

/* `to` is taken over. The application's end, close-on-exec; -1, with errno. */
int lines_open(struct lines *lines, int to, int lock);

/* Fills LINES_POLLS entries for poll. */
void lines_wanted(const struct lines *lines, struct pollfd *ready);

/* What can be done without waiting. `other`: the application's other stream, which may have the lock. */
void lines_move(struct lines *lines, const struct lines *other, const char *name, const struct pollfd *ready);

/* All is passed on and nothing will come, or there is no stream. */
bool lines_done(const struct lines *lines);
