/* The output of an application with a name, which its keeper passes on in lines. */
#ifndef TARE_KEEPER_OUTPUT_H
#define TARE_KEEPER_OUTPUT_H

#include "keeper_state.h"

#include <poll.h>
#include <stdbool.h>

enum { KEEPER_LINES_POLLS = 2 * LINES_POLLS };

/* Before the payload's process is forked: pipes in place of the descriptors that the application would have written to. False, with errno. */
bool keeper_open_lines(struct keeper *keeper);

/* For poll: entries for both streams. Returns the longest wait in milliseconds, -1: any. */
int keeper_lines_wanted(const struct keeper *keeper, struct pollfd *ready);
/* What can be moved without waiting. */
void keeper_lines_move(struct keeper *keeper, const struct pollfd *ready);

/* What the application has written, now that nobody of it is left: waits for its readers, but when the keeper is told to end not for long. */
void keeper_pass_on_rest(struct keeper *keeper);

#endif
