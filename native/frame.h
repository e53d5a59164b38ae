/* Frames over AF_UNIX stream sockets: u32 little-endian length, one tag byte, NUL-terminated strings. */
#ifndef TARE_FRAME_H
#define TARE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	FRAME_MAX = 16 << 20,
	/* The kernel takes 253 descriptors in one message. */
	FRAME_FDS = 250,
};

/* A frame that is being written. */
struct message {
	char *data; /* with the length in front, which is filled in last */
	size_t size, capacity;
	int fds[FRAME_FDS]; /* sent along, still the sender's to close */
	size_t fd_count;
};

void message_begin(struct message *message, char tag);
void message_add(struct message *message, const char *string);
void message_add_bytes(struct message *message, const char *bytes, size_t size); /* no NUL among them */
void message_add_number(struct message *message, long long number);
void message_add_fd(struct message *message, int fd);
void message_free(struct message *message);

struct msghdr;

/* sendmsg(2) without SIGPIPE, again and again while the kernel has no room for it, for so long; -1 with errno. */
ssize_t send_patiently(int socket, const struct msghdr *header, int flags);

/* Blocking, for processes that have nothing else to do. */
bool message_send(struct message *message, int socket);

/* `F`: step, errno, text. A zero errno adds no text of its own. */
void message_failed(struct message *message, const char *step, int error, const char *what);

/* A frame that was read. Its strings are the channel's, until the next call on the channel. */
struct frame {
	char tag;
	const char *at, *end;
	pid_t sender; /* 0 when the socket does not pass credentials */
};

const char *frame_string(struct frame *frame); /* the next one; NULL after the last */
bool frame_number(struct frame *frame, long min, long max, long *number);
/* A raw wait status, of a process that ended. */
bool frame_status(struct frame *frame, int *status);

struct pending;

/* One end of a socket: what came and is not yet a frame, what goes and did not yet fit. Never blocks. */
struct channel {
	int fd; /* -1 when closed */
	char *in;
	size_t in_size, in_used, in_capacity;
	pid_t sender;
	int *fds; /* received, not yet taken */
	size_t fd_count;
	struct pending *out, **out_end;
	size_t out_size;
	int error; /* why something could not be sent and was dropped; 0: all is well */
};

enum channel_got { CHANNEL_END = -1, CHANNEL_NOTHING, CHANNEL_BYTES };
enum frame_got { FRAME_BAD = -1, FRAME_NONE, FRAME_WHOLE };

void channel_open(struct channel *channel, int fd);
void channel_close(struct channel *channel);
enum channel_got channel_receive(struct channel *channel);
enum frame_got channel_next(struct channel *channel, struct frame *frame);
int channel_take_fd(struct channel *channel); /* -1 when none came */
/* Takes the message over. What cannot be sent now waits for channel_flush. */
void channel_send(struct channel *channel, struct message *message);
void channel_flush(struct channel *channel);

#endif
