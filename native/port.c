/* See port.h. Nothing here blocks, but for a write of at most PIPE_BUF bytes to a descriptor of somebody else that poll(2) called ready. */
#include "port.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	HEAD = 9, /* length, kind, stream */
	LETTER_MAX = 48 << 20,
	WINDOW = 128 << 10,
	CHUNK = 16 << 10,
	/* Streams wait while so much waits for the port. */
	QUEUE = 256 << 10,
	PORT_READ = 64 << 10,
};

void put_number(char *bytes, size_t size, uint64_t number)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)(number >> 8 * i);
}

uint64_t get_number(const char *bytes, size_t size)
{
	uint64_t number = 0;

	for (size_t i = 0; i < size; i++)
		number |= (uint64_t)(unsigned char)bytes[i] << 8 * i;
	return number;
}

void port_add(struct port *port, uint32_t number, int from, int to)
{
	port->streams = xrealloc(port->streams, (port->stream_count + 1) * sizeof *port->streams);
	port->streams[port->stream_count++] =
		(struct stream_end){ .number = number, .from = from, .to = to, .waiting = xrealloc(NULL, WINDOW) };
}

/* What was written makes room first: with several streams the queue may never be empty. */
static void move_up(struct port *port, size_t size)
{
	size_t waits = port->out_size - port->out_used;

	if (waits)
		memmove(port->out, port->out + port->out_used, waits);
	port->out_used = 0;
	port->out_size = waits;
	/* a queue that is half full at the most is not moved each time */
	if (port->out_capacity / 2 < waits + size) {
		port->out_capacity = 2 * (waits + size);
		port->out = xrealloc(port->out, port->out_capacity);
	}
}

static void queue_bytes(struct port *port, const void *bytes, size_t size)
{
	if (port->out_capacity - port->out_size < size)
		move_up(port, size);
	if (size)
		memcpy(port->out + port->out_size, bytes, size);
	port->out_size += size;
}

static void queue_head(struct port *port, enum letter_kind kind, uint32_t stream, size_t size)
{
	char head[HEAD];

	put_number(head, 4, HEAD - 4 + size);
	head[4] = (char)kind;
	put_number(head + 5, 4, stream);
	queue_bytes(port, head, HEAD);
}

void port_send(struct port *port, enum letter_kind kind, uint32_t stream, const void *bytes, size_t size)
{
	queue_head(port, kind, stream, size);
	queue_bytes(port, bytes, size);
}

void port_send_parts(struct port *port, enum letter_kind kind, const void *head, size_t head_size, const void *bytes, size_t size)
{
	queue_head(port, kind, 0, head_size + size);
	queue_bytes(port, head, head_size);
	queue_bytes(port, bytes, size);
}

void port_wanted(const struct port *port, struct pollfd *ready)
{
	bool room = port->out_size - port->out_used < QUEUE;

	ready[0] = (struct pollfd){ .fd = port->fd, .events = port->out_size > port->out_used ? POLLIN | POLLOUT : POLLIN };
	for (size_t i = 0; i < port->stream_count; i++) {
		const struct stream_end *stream = &port->streams[i];
		bool reads = room && stream->in_flight < WINDOW;
		ready[1 + 2 * i] = (struct pollfd){ .fd = reads ? stream->from : -1, .events = POLLIN };
		/* without anything to write it is told of a reader that went away */
		ready[2 + 2 * i] = (struct pollfd){ .fd = stream->to, .events = stream->waiting_size ? POLLOUT : 0 };
	}
}

static bool is_socket(int fd)
{
	struct stat found;

	return fstat(fd, &found) == 0 && S_ISSOCK(found.st_mode);
}

/* The end of what is read from it. */
static void end_from(struct port *port, struct stream_end *stream)
{
	close_once(&stream->from);
	port_send(port, LETTER_END, stream->number, NULL, 0);
}

static void read_from(struct port *port, struct stream_end *stream)
{
	char bytes[CHUNK];
	size_t room = WINDOW - stream->in_flight, wanted = room < CHUNK ? room : CHUNK;
	ssize_t n = is_socket(stream->from) ? recv(stream->from, bytes, wanted, MSG_DONTWAIT) : read(stream->from, bytes, wanted);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_from(port, stream);
		return;
	}
	stream->in_flight += (size_t)n;
	port_send(port, LETTER_DATA, stream->number, bytes, (size_t)n);
}

static void tell_taken(struct port *port, const struct stream_end *stream, size_t size)
{
	char count[4];

	put_number(count, sizeof count, size);
	port_send(port, LETTER_TAKEN, stream->number, count, sizeof count);
}

/* A socket of the caller's goes on for those who have it too, as when a payload on the node has ended. */
static void end_to(const struct port *port, struct stream_end *stream)
{
	if (port->sole && stream->to >= 0 && is_socket(stream->to))
		shutdown(stream->to, SHUT_WR);
	close_once(&stream->to);
}

/* Nobody reads it: what came is dropped, and the writer is told. */
static void turn_deaf(struct port *port, struct stream_end *stream)
{
	close_once(&stream->to);
	tell_taken(port, stream, stream->waiting_size);
	stream->waiting_size = 0;
	port_send(port, LETTER_DEAF, stream->number, NULL, 0);
}

static void write_to(struct port *port, struct stream_end *stream)
{
	int flags = fcntl(stream->to, F_GETFL);
	bool may_block = flags < 0 || !(flags & O_NONBLOCK);
	size_t size = may_block && stream->waiting_size > PIPE_BUF ? PIPE_BUF : stream->waiting_size;
	ssize_t n = is_socket(stream->to) ? send(stream->to, stream->waiting, stream->waiting_size, MSG_DONTWAIT | MSG_NOSIGNAL) :
					    write(stream->to, stream->waiting, size);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		turn_deaf(port, stream);
		return;
	}
	stream->waiting_size -= (size_t)n;
	memmove(stream->waiting, stream->waiting + n, stream->waiting_size);
	tell_taken(port, stream, (size_t)n);
	if (stream->ended && !stream->waiting_size)
		end_to(port, stream);
}

static struct stream_end *stream_of(struct port *port, uint32_t number)
{
	for (size_t i = 0; i < port->stream_count; i++)
		if (port->streams[i].number == number)
			return &port->streams[i];
	return NULL;
}

/* False: more than the window allows. */
static bool take_data(struct port *port, struct stream_end *stream, const struct letter *letter)
{
	if (letter->size > WINDOW - stream->waiting_size || stream->ended)
		return false;
	if (stream->to < 0) {
		tell_taken(port, stream, letter->size);
		return true;
	}
	if (letter->size)
		memcpy(stream->waiting + stream->waiting_size, letter->bytes, letter->size);
	stream->waiting_size += letter->size;
	return true;
}

static bool take_letter(struct port *port, const struct letter *letter)
{
	struct stream_end *stream = stream_of(port, letter->stream);
	size_t taken;

	switch (letter->kind) {
	case LETTER_DATA:
		return stream && take_data(port, stream, letter);
	case LETTER_TAKEN:
		taken = letter->size == 4 ? (size_t)get_number(letter->bytes, 4) : SIZE_MAX;
		if (!stream || taken > stream->in_flight)
			return false;
		stream->in_flight -= taken;
		return true;
	case LETTER_END:
		if (!stream)
			return false;
		stream->ended = true;
		if (!stream->waiting_size)
			end_to(port, stream);
		return true;
	case LETTER_DEAF:
		if (!stream)
			return false;
		if (stream->from >= 0)
			end_from(port, stream);
		return true;
	default:
		return port->take(port->context, letter);
	}
}

/* Takes whole letters. False: one cannot be understood. */
static bool take_letters(struct port *port)
{
	size_t used = 0;

	while (port->in_size - used >= 4) {
		size_t length = (size_t)get_number(port->in + used, 4);
		if (length < HEAD - 4 || length > LETTER_MAX)
			return false;
		if (port->in_size - used - 4 < length)
			break;
		const char *body = port->in + used + 4;
		const struct letter letter = {
			.kind = (enum letter_kind)body[0],
			.stream = (uint32_t)get_number(body + 1, 4),
			.bytes = body + HEAD - 4,
			.size = length - (HEAD - 4),
		};
		port->patient = false;
		if (!take_letter(port, &letter))
			return false;
		used += 4 + length;
	}
	memmove(port->in, port->in + used, port->in_size - used);
	port->in_size -= used;
	return true;
}

/* False: the other side is gone. */
static bool read_port(struct port *port)
{
	if (port->in_capacity - port->in_size < PORT_READ) {
		port->in_capacity = 2 * port->in_size + PORT_READ;
		port->in = xrealloc(port->in, port->in_capacity);
	}
	ssize_t n = read(port->fd, port->in + port->in_size, PORT_READ);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0) {
		if (port->patient)
			usleep(1000);
		return port->patient;
	}
	port->in_size += (size_t)n;
	return take_letters(port);
}

static bool write_port(struct port *port)
{
	ssize_t n = write(port->fd, port->out + port->out_used, port->out_size - port->out_used);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR || port->patient;
	port->out_used += (size_t)n;
	return true;
}

bool port_serve(struct port *port, const struct pollfd *ready)
{
	size_t count = port->stream_count; /* letters may add more */

	for (size_t i = 0; i < count; i++) {
		struct stream_end *stream = &port->streams[i];
		short to = ready[2 + 2 * i].revents;
		if (ready[1 + 2 * i].revents && stream->from >= 0)
			read_from(port, stream);
		if (stream->to >= 0 && to & POLLOUT && stream->waiting_size)
			write_to(port, stream);
		else if (stream->to >= 0 && to & (POLLERR | POLLHUP | POLLNVAL))
			turn_deaf(port, stream);
	}
	if (ready[0].revents & POLLOUT && !write_port(port))
		return false;
	return !(ready[0].revents & ~POLLOUT) || read_port(port);
}

bool port_is_quiet(const struct port *port)
{
	for (size_t i = 0; i < port->stream_count; i++) {
		const struct stream_end *stream = &port->streams[i];
		if (stream->from >= 0 || stream->in_flight || (stream->to >= 0 && stream->waiting_size))
			return false;
	}
	return port->out_size == port->out_used;
}
