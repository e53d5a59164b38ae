/* Lines of several applications on one descriptor, none of them mixed with another. A write of up to PIPE_BUF to a
 * pipe is atomic; a longer line takes several, so every write is made under a lock. The lock is a record lock on a
 * memfd: the kernel takes it back from a keeper that is killed, and nothing of the caller's is locked. */
#include "lines.h"
#include "util.h"
#include "wait.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int lines_open(struct lines *lines, int to, int lock)
{
	struct stat sink;
	int ends[2];

	memset(lines, 0, sizeof *lines);
	lines->from = -1;
	lines->to = to;
	lines->lock = lock;
	if (fstat(to, &sink) || pipe2(ends, O_CLOEXEC))
		return -1;
	lines->lock_at = (off_t)(sink.st_ino & 0x3fffffffffffffffULL);
	lines->from = ends[0];
	fcntl(lines->from, F_SETFL, O_NONBLOCK);
	/* One more than a line, so that a newline after the longest one is seen. */
	lines->in = xrealloc(NULL, LINE_BYTES + 1);
	return ends[1];
}

/* Sets the lock (F_WRLCK) or removes it (F_UNLCK). False: another process has it. */
static bool lock(const struct lines *lines, short type)
{
	struct flock range = { .l_type = type, .l_whence = SEEK_SET, .l_start = lines->lock_at, .l_len = 1 };

	return fcntl(lines->lock, F_SETLK, &range) == 0;
}

static void unlock(struct lines *lines)
{
	if (lines->holding)
		lock(lines, F_UNLCK);
	lines->holding = false;
}

static void close_from(struct lines *lines)
{
	close_kept(lines->from);
	lines->from = -1;
}

static bool has_ended(const struct lines *lines)
{
	return lines->from < 0;
}

/* The reader is gone, or writing fails: the application's next write gets the error. */
static void drop_lines(struct lines *lines)
{
	unlock(lines);
	close_from(lines);
	lines->in_size = lines->in_at = lines->out_size = lines->out_sent = 0;
}

/* Closes the job's descriptor once all lines are written and none will come. */
static void end_if_done(struct lines *lines)
{
	if (!has_ended(lines) || lines->in_at < lines->in_size || lines->out_size || lines->to < 0)
		return;
	close(lines->to); /* its reader may wait for the end */
	lines->to = -1;
	free(lines->in);
	free(lines->out);
	lines->in = lines->out = NULL;
}

bool lines_done(const struct lines *lines)
{
	return lines->to < 0;
}

/* Reads what the application has written. Closes the pipe at its end. */
static void read_more(struct lines *lines)
{
	memmove(lines->in, lines->in + lines->in_at, lines->in_size - lines->in_at);
	lines->in_size -= lines->in_at;
	lines->in_at = 0;
	ssize_t n = read(lines->from, lines->in + lines->in_size, LINE_BYTES + 1 - lines->in_size);
	if (n > 0)
		lines->in_size += (size_t)n;
	else if (n == 0 || (errno == EAGAIN && lines->last) || (errno != EAGAIN && errno != EINTR))
		close_from(lines);
}

/* The next line: its bytes without the newline, and how many to go on by. */
static bool next_line(const struct lines *lines, size_t *size, size_t *step)
{
	const char *start = lines->in + lines->in_at;
	size_t left = lines->in_size - lines->in_at;
	const char *newline = left ? memchr(start, '\n', left) : NULL;

	*size = newline ? (size_t)(newline - start) : left;
	*step = *size + 1;
	if (newline)
		return true;
	if (left > LINE_BYTES)
		*size = LINE_BYTES;
	*step = *size;
	return left > LINE_BYTES || (left && has_ended(lines));
}

/* Copies, and returns where the next part goes. */
static char *append_part(char *at, const char *bytes, size_t size)
{
	memcpy(at, bytes, size);
	return at + size;
}

/* Takes as many whole lines as one atomic write can hold, or one that is longer. */
static void make_out(struct lines *lines, const char *name)
{
	size_t name_size = strlen(name), size, step;

	if (!lines->out)
		lines->out = xrealloc(NULL, name_size + LINE_BYTES + 3 + PIPE_BUF);
	while (next_line(lines, &size, &step)) {
		size_t whole = name_size + 2 + size + 1;
		if (lines->out_size && lines->out_size + whole > PIPE_BUF)
			return;
		char *at = append_part(lines->out + lines->out_size, name, name_size);
		at = append_part(at, ": ", 2);
		at = append_part(at, lines->in + lines->in_at, size);
		*at = '\n';
		lines->out_size += whole;
		lines->in_at += step;
	}
}

/* Whether the pipe takes more: others may have filled it since poll(2). */
static bool takes_more(int to)
{
	struct pollfd now = { .fd = to, .events = POLLOUT };

	return wait_for(&now, 1, 0, SIG_STANDARD) > 0;
}

/* Takes the lock and writes at most PIPE_BUF bytes. Keeps the lock until the line is complete. */
static void write_line(struct lines *lines, const struct lines *other)
{
	/* A record lock is the process's: the other stream's is not seen as one. */
	bool ours = other->holding && other->lock_at == lines->lock_at;

	lines->locked_out = false;
	if (!lines->holding) {
		lines->locked_out = ours || !lock(lines, F_WRLCK);
		if (lines->locked_out)
			return;
		lines->holding = true;
	}
	ssize_t n = 0;
	size_t left = lines->out_size - lines->out_sent;
	if (takes_more(lines->to))
		n = write(lines->to, lines->out + lines->out_sent, left < PIPE_BUF ? left : PIPE_BUF);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		drop_lines(lines);
		return;
	}
	if (n > 0)
		lines->out_sent += (size_t)n;
	if (lines->out_sent == lines->out_size)
		lines->out_size = lines->out_sent = 0;
	if (!lines->out_sent)
		unlock(lines);
}

/* The job's descriptor is watched for its reader's end even when there is nothing to write. */
void lines_wanted(const struct lines *lines, struct pollfd *ready)
{
	ready[0] = (struct pollfd){ .fd = lines->out_size ? -1 : lines->from, .events = POLLIN };
	ready[1] = (struct pollfd){ .fd = lines->to, .events = lines->out_size && !lines->locked_out ? POLLOUT : 0 };
}

void lines_move(struct lines *lines, const struct lines *other, const char *name, const struct pollfd *ready)
{
	if (lines_done(lines))
		return;
	if (ready[1].revents & (POLLERR | POLLHUP | POLLNVAL))
		drop_lines(lines);
	if (lines->out_size && (ready[1].revents || lines->locked_out))
		write_line(lines, other);
	do {
		if (!lines->out_size && !has_ended(lines) && (ready[0].revents || lines->last))
			read_more(lines);
		if (!lines->out_size)
			make_out(lines, name);
	} while (lines->last && !lines->out_size && !has_ended(lines));
	end_if_done(lines);
}
