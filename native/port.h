/* One stream of bytes between the node and a virtual machine (a port of virtio-serial), on which letters travel: frames of init's socket,
 * and streams that stand for descriptors of the other side. A stream has a window: who does not read one stream does not stop the others. */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a letter is. A letter: u32 little-endian length of what follows, its kind, u32 number of a stream, bytes. */
enum letter_kind {
	LETTER_BOOT = 'B', /* node to machine, first: what the machine mounts, as NUL-terminated strings */
	LETTER_FRAME = 'F', /* a frame between shim and init: see letter_of_frame() */
	LETTER_HANG_UP = 'K', /* node to machine: the shim sends nothing more */
	/* machine to node: init has ended, all output was taken, and what was written is on the node; u32: processes killed for memory */
	LETTER_OVER = 'X',
	LETTER_DATA = 'D', /* bytes of a stream */
	LETTER_TAKEN = 'A', /* so many bytes of a stream, u32, were passed on */
	LETTER_END = 'C', /* nothing more comes in this stream */
	LETTER_DEAF = 'R', /* nobody reads this stream any more */
};

struct letter {
	enum letter_kind kind;
	uint32_t stream;
	const char *bytes; /* the port's, until the letter was taken */
	size_t size;
};

/* A number of a stream stands for one descriptor on either side. */
struct stream_end {
	uint32_t number;
	int from, to; /* what is read from the one is sent, what comes is written to the other; -1: closed */
	size_t in_flight; /* bytes that were sent and not taken */
	char *waiting; /* what came and is not written yet */
	size_t waiting_size;
	bool ended; /* nothing more comes */
};

struct port {
	int fd; /* does not block; -1: closed */
	bool sole; /* nobody else has its streams' descriptors: at the end of one, who reads it is told (shutdown(2)) */
	bool patient; /* no end of it counts before the first letter came: the other side is not there yet */
	char *in, *out;
	size_t in_size, in_capacity, out_size, out_used, out_capacity;
	struct stream_end *streams;
	size_t stream_count;
	/* Takes a letter that is of no stream. False: it is not to be understood. */
	bool (*take)(void *context, const struct letter *letter);
	void *context;
};

/* Entries of a poll for a port with so many streams. */
#define PORT_POLLS(streams) (1 + 2 * (streams))

/* Adds a stream; the descriptors become the port's. */
void port_add(struct port *port, uint32_t number, int from, int to);
/* Queues a letter. */
void port_send(struct port *port, enum letter_kind kind, uint32_t stream, const void *bytes, size_t size);
/* Queues one that is made of two parts. */
void port_send_parts(struct port *port, enum letter_kind kind, const void *head, size_t head_size, const void *bytes, size_t size);
/* Fills PORT_POLLS entries. */
void port_wanted(const struct port *port, struct pollfd *ready);
/* Does what the entries allow. False: the port is broken, or its other side is gone. */
bool port_serve(struct port *port, const struct pollfd *ready);
/* Whether all that was read from descriptors is at its end, and was taken by the other side, and all that came is written. */
bool port_is_quiet(const struct port *port);

/* u32 and u64, little-endian. */
void put_number(char *bytes, size_t size, uint64_t number);
uint64_t get_number(const char *bytes, size_t size);
