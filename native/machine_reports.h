/* What the init in a virtual machine reports, for the shim: its frames with times of the node's clock, and what this process reports in its place. */
#pragma once

#include "frame.h"
#include "port.h"

#include <stdbool.h>
#include <stddef.h>

/* A start of an application that was ordered and is not answered for. */
struct ordered_start {
	long index, start;
};

struct machine_reports {
	long long offset_us; /* from the machine's clock to the node's */
	bool has_offset;
	struct ordered_start *ordered;
	size_t ordered_count;
};

/* Takes note of an order of the shim's. */
void machine_reports_note_order(struct machine_reports *reports, const struct frame *frame);
/* Passes a frame of the machine's on. False: it is not to be understood. */
bool machine_reports_take(struct machine_reports *reports, struct channel *shim, const struct letter *letter);
/* The kernel in the machine has killed so many processes for memory. */
void machine_reports_memory_kills(struct channel *shim, long processes);
/* The machine was killed by SIGKILL, and each application with it. */
void machine_reports_killed(struct machine_reports *reports, struct channel *shim);
