/* Frames between shim and init as letters of a port. A descriptor that comes with a frame is a file that goes along whole, or a stream. */
#pragma once

#include "frame.h"
#include "port.h"

/* What goes in a letter beside a frame: when it was sent (CLOCK_MONOTONIC of the sender in µs), and what its descriptors are. */
struct enclosures {
	char *bytes;
	size_t size, capacity;
	unsigned count;
};

/* How a stream's descriptor is used by the payload. */
enum stream_way { WAY_READ = 'r', WAY_WRITE = 'w', WAY_BOTH = 'b' };

/* Adds a file in memory. False: it cannot be read. */
bool enclose_file(struct enclosures *enclosures, int fd);
void enclose_stream(struct enclosures *enclosures, uint32_t number, enum stream_way way);
/* Queues the frame with what is enclosed, which is freed. */
void send_frame_letter(struct port *port, const struct frame *frame, struct enclosures *enclosures);

/* A letter that is being read. */
struct frame_letter {
	long long sent_us;
	unsigned count; /* of enclosures that are still to be read */
	const char *at, *end;
};

/* One of them. */
struct enclosure {
	const char *bytes; /* of a file; NULL: a stream */
	size_t size;
	uint32_t number;
	enum stream_way way;
};

/* False: it is no letter with a frame. */
bool open_frame_letter(struct frame_letter *opened, const struct letter *letter);
/* The next enclosure. False: it cannot be understood. */
bool next_enclosure(struct frame_letter *opened, struct enclosure *enclosure);
/* The frame, once all enclosures are read. False: it is none. */
bool letter_frame(const struct frame_letter *opened, struct frame *frame);
