/* The caller's descriptors of a payload in a virtual machine: streams, which this process reads and writes on the node. */
#pragma once

#include "machine_frames.h"

#include <stddef.h>

/* A descriptor that came, until all came: two numbers can be one open file, and then are one stream. */
struct given_descriptor {
	int fd;
	uint32_t number;
	enum stream_way way;
};

struct machine_descriptors {
	struct given_descriptor *given;
	size_t count;
};

/* Encloses the descriptor, which becomes this module's, under the number that the payload has it by. */
void machine_enclose_descriptor(struct machine_descriptors *descriptors, struct port *port, struct enclosures *enclosures, int fd, long target);
/* All came: the payload's ends are in the streams. */
void machine_forget_descriptors(struct machine_descriptors *descriptors);
