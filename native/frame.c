/* Framing, with descriptors and credentials beside the bytes. A frame with descriptors is written by one
 * sendmsg and is small, so its descriptors are here no later than its last byte. */
#include "frame.h"
#include "sig.h"
#include "util.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	HEADER = 4,
	READ_SIZE = 64 << 10,
	/* How long the kernel may lack memory for a message. */
	SCARCE_MS = 100,
};

struct pending {
	struct pending *next;
	struct message message;
	size_t sent;
};

/* Appends, and grows the buffer when needed. */
static void append_bytes(struct message *message, const char *bytes, size_t size)
{
	if (message->capacity - message->size < size) {
		message->capacity = 2 * (message->capacity + size);
		message->data = xrealloc(message->data, message->capacity);
	}
	memcpy(message->data + message->size, bytes, size);
	message->size += size;
}

void message_begin(struct message *message, char tag)
{
	message->capacity = 128;
	message->data = xrealloc(NULL, message->capacity);
	message->size = 0;
	message->fd_count = 0;
	append_bytes(message, "\0\0\0", HEADER);
	append_bytes(message, &tag, 1);
}

void message_add(struct message *message, const char *string)
{
	append_bytes(message, string, strlen(string) + 1);
}

void message_add_bytes(struct message *message, const char *bytes, size_t size)
{
	append_bytes(message, bytes, size);
	append_bytes(message, "", 1);
}

void message_add_number(struct message *message, long long number)
{
	char text[32];

	snprintf(text, sizeof text, "%lld", number);
	message_add(message, text);
}

void message_add_fd(struct message *message, int fd)
{
	message->fds[message->fd_count++] = fd;
}

void message_free(struct message *message)
{
	free(message->data);
	message->data = NULL;
}

/* Fills in the length, once all strings are added. */
static void write_length(struct message *message)
{
	uint32_t length = (uint32_t)(message->size - HEADER);

	for (int i = 0; i < HEADER; i++)
		message->data[i] = (char)(length >> 8 * i);
}

/* sendmsg(2) has failed. Whether that needs no more tries: the peer is gone, or there is no room and the caller does not wait. */
static bool is_final(int flags)
{
	return errno == EPIPE || (errno == EAGAIN && flags & MSG_DONTWAIT);
}

ssize_t send_patiently(int socket, const struct msghdr *header, int flags)
{
	for (int scarce = 0;;) {
		ssize_t n = sendmsg(socket, header, MSG_NOSIGNAL | flags);
		if (n >= 0 || is_final(flags))
			return n;
		if (errno == EINTR)
			continue;
		if ((errno != ENOBUFS && errno != ENOMEM && errno != EAGAIN) || ++scarce > SCARCE_MS)
			return n;
		usleep(1000);
	}
}

/* One sendmsg; the descriptors go with the first byte. A peer that is not told something would wait for it, so when that fails it finds
 * the end of the socket, as if we were dead; and so do we. Not after EPIPE: then the peer is gone, or we have said that no more comes
 * and it may still report. */
static ssize_t send_some(int socket, const struct message *message, size_t sent, int flags)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(FRAME_FDS * sizeof(int))];
	} control;
	struct iovec bytes = { message->data + sent, message->size - sent };
	struct msghdr header = { .msg_iov = &bytes, .msg_iovlen = 1 };

	if (!sent && message->fd_count) {
		size_t size = message->fd_count * sizeof(int);
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(size);
		memset(&control, 0, sizeof control);
		struct cmsghdr *part = CMSG_FIRSTHDR(&header);
		part->cmsg_level = SOL_SOCKET;
		part->cmsg_type = SCM_RIGHTS;
		part->cmsg_len = CMSG_LEN(size);
		memcpy(CMSG_DATA(part), message->fds, size);
	}
	ssize_t n = send_patiently(socket, &header, flags);
	if (n < 0 && !is_final(flags)) {
		int error = errno;
		shutdown(socket, SHUT_RDWR);
		errno = error;
	}
	return n;
}

bool message_send(struct message *message, int socket)
{
	size_t sent = 0;

	write_length(message);
	while (sent < message->size) {
		ssize_t n = send_some(socket, message, sent, 0);
		if (n < 0)
			break;
		sent += (size_t)n;
	}
	bool whole = sent == message->size;
	message_free(message);
	return whole;
}

const char *frame_string(struct frame *frame)
{
	if (frame->at >= frame->end)
		return NULL;
	const char *string = frame->at;
	frame->at += strlen(string) + 1;
	return string;
}

bool frame_number(struct frame *frame, long min, long max, long *number)
{
	const char *string = frame_string(frame);

	return string && parse_number(string, min, max, number);
}

bool frame_status(struct frame *frame, int *status)
{
	long number;

	if (!frame_number(frame, 0, 0xffff, &number))
		return false;
	*status = (int)number;
	return WIFEXITED(*status) || (WIFSIGNALED(*status) && WTERMSIG(*status) <= SIG_LAST);
}

void channel_open(struct channel *channel, int fd)
{
	memset(channel, 0, sizeof *channel);
	channel->fd = fd;
	channel->out_end = &channel->out;
}

/* Frees all messages that wait to be sent. */
static void drop_output(struct channel *channel)
{
	while (channel->out) {
		struct pending *first = channel->out;
		channel->out = first->next;
		message_free(&first->message);
		free(first);
	}
	channel->out_end = &channel->out;
	channel->out_size = 0;
}

void channel_close(struct channel *channel)
{
	if (channel->fd < 0)
		return;
	close(channel->fd);
	drop_output(channel);
	for (size_t i = 0; i < channel->fd_count; i++)
		close(channel->fds[i]);
	free(channel->fds);
	free(channel->in);
	channel_open(channel, -1);
}

/* Keeps the credentials and descriptors that came with the bytes. */
static void keep_control(struct channel *channel, struct msghdr *header)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part)) {
		if (part->cmsg_level != SOL_SOCKET)
			continue;
		if (part->cmsg_type == SCM_CREDENTIALS) {
			struct ucred sender;
			memcpy(&sender, CMSG_DATA(part), sizeof sender);
			channel->sender = sender.pid;
		}
		if (part->cmsg_type == SCM_RIGHTS) {
			size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			channel->fds = xrealloc(channel->fds, (channel->fd_count + count) * sizeof(int));
			memcpy(channel->fds + channel->fd_count, CMSG_DATA(part), count * sizeof(int));
			channel->fd_count += count;
		}
	}
}

/* Makes room for READ_SIZE more bytes. */
static void make_room(struct channel *channel)
{
	if (channel->in_used) {
		memmove(channel->in, channel->in + channel->in_used, channel->in_size - channel->in_used);
		channel->in_size -= channel->in_used;
		channel->in_used = 0;
	}
	if (channel->in_capacity - channel->in_size < READ_SIZE) {
		channel->in_capacity = 2 * channel->in_size + READ_SIZE;
		channel->in = xrealloc(channel->in, channel->in_capacity);
	}
}

enum channel_got channel_receive(struct channel *channel)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(253 * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
	} control;

	make_room(channel);
	struct iovec bytes = { channel->in + channel->in_size, READ_SIZE };
	struct msghdr header = {
		.msg_iov = &bytes,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof control,
	};
	ssize_t n = recvmsg(channel->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == ENOMEM || errno == ENOBUFS)) {
		usleep(1000); /* it is there still, and the next poll says so at once */
		return CHANNEL_NOTHING;
	}
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? CHANNEL_NOTHING : CHANNEL_END;
	keep_control(channel, &header);
	/* Truncated: there was no room for a descriptor, and the payload would silently miss it. */
	if (n == 0 || header.msg_flags & MSG_CTRUNC)
		return CHANNEL_END;
	channel->in_size += (size_t)n;
	return CHANNEL_BYTES;
}

enum frame_got channel_next(struct channel *channel, struct frame *frame)
{
	size_t have = channel->in_size - channel->in_used;
	const unsigned char *head = (const unsigned char *)channel->in + channel->in_used;

	if (have < HEADER)
		return FRAME_NONE;
	size_t length = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
	if (length < 1 || length > FRAME_MAX)
		return FRAME_BAD;
	if (have - HEADER < length)
		return FRAME_NONE;
	frame->tag = (char)head[HEADER];
	frame->at = (const char *)head + HEADER + 1;
	frame->end = (const char *)head + HEADER + length;
	frame->sender = channel->sender;
	channel->in_used += HEADER + length;
	if (frame->at < frame->end && frame->end[-1])
		return FRAME_BAD;
	return FRAME_WHOLE;
}

int channel_take_fd(struct channel *channel)
{
	if (!channel->fd_count)
		return -1;
	int fd = channel->fds[0];
	channel->fd_count--;
	memmove(channel->fds, channel->fds + 1, channel->fd_count * sizeof(int));
	return fd;
}

void channel_send(struct channel *channel, struct message *message)
{
	if (channel->fd < 0) {
		message_free(message);
		return;
	}
	struct pending *last = xrealloc(NULL, sizeof *last);
	write_length(message);
	*last = (struct pending){ .message = *message };
	*channel->out_end = last;
	channel->out_end = &last->next;
	channel->out_size += message->size;
	channel_flush(channel);
}

void channel_flush(struct channel *channel)
{
	while (channel->out) {
		struct pending *first = channel->out;
		ssize_t n = send_some(channel->fd, &first->message, first->sent, MSG_DONTWAIT);
		if (n < 0) {
			/* The peer's end is noticed when reading; what was meant for it is of no use. */
			if (errno != EAGAIN) {
				channel->error = errno;
				drop_output(channel);
			}
			return;
		}
		first->sent += (size_t)n;
		if (first->sent < first->message.size)
			return;
		channel->out = first->next;
		if (!channel->out)
			channel->out_end = &channel->out;
		channel->out_size -= first->message.size;
		message_free(&first->message);
		free(first);
	}
}
