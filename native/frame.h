/* Frames over AF_UNIX stream sockets: u32 little-endian length, one tag byte, NUL-terminated strings. */
#pragma once

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

/* Begins a message; message_send() or message_free() frees the buffer. */
void message_begin(struct message *message, char tag);
/* Adds a copy of the string. */
void message_add(struct message *message, const char *string);
/* Adds a string that has no NUL at its end, and none among its bytes. */
void message_add_bytes(struct message *message, const char *bytes, size_t size);
void message_add_number(struct message *message, long long number);
/* At most FRAME_FDS. The descriptor stays the caller's, and open until the message is sent. */
void message_add_fd(struct message *message, int fd);
void message_free(struct message *message);

struct msghdr;

/* sendmsg(2) without SIGPIPE, again and again while the kernel has no room for it, for so long; -1 with errno. */
ssize_t send_patiently(int socket, const struct msghdr *header, int flags);

/* Sends it and frees it. Blocks, for processes that have nothing else to do. False, with errno: it was not sent whole. */
bool message_send(struct message *message, int socket);

/* A frame that was read. Its strings are the channel's, until the next call on the channel. */
struct frame {
	char tag;
	const char *at, *end;
	pid_t sender; /* 0 when the socket does not pass credentials */
};

/* The next string; NULL after the last. */
const char *frame_string(struct frame *frame);
/* The next string as a number in that range. False: it is none. */
bool frame_number(struct frame *frame, long min, long max, long *number);
/* The next string as the raw wait status of a process that has ended. False: it is none. */
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

/* Takes the descriptor over; -1: a channel that is closed. Frees nothing of what the channel was before. */
void channel_open(struct channel *channel, int fd);
/* Closes it, and what came and was not taken. What was not sent is lost. */
void channel_close(struct channel *channel);

/* Reads once. CHANNEL_END: the peer has closed its end, the socket is broken, or a descriptor was lost on the way. */
enum channel_got channel_receive(struct channel *channel);
/* Takes the next whole frame from what was received. FRAME_BAD: its length is out of range, or its last string has no end. */
enum frame_got channel_next(struct channel *channel, struct frame *frame);
/* The first descriptor that was received and not taken, which becomes the caller's; -1: there is none. */
int channel_take_fd(struct channel *channel);

/* Takes the message over. What cannot be sent now waits for channel_flush(). A closed channel drops it. */
void channel_send(struct channel *channel, struct message *message);
/* Sends what waits, as far as there is room. On an error it drops all, and keeps errno in `error`. */
void channel_flush(struct channel *channel);
