/* The output of an application with a name, which its keeper passes on in lines. */
#pragma once

#include "keeper_state.h"

#include <poll.h>
#include <stdbool.h>

enum { KEEPER_LINES_POLLS = 2 * LINES_POLLS };

/* Puts pipes in place of the descriptors that the application would write to, before its process is forked. False, with errno. */
bool keeper_open_lines(struct keeper *keeper);

/* Fills the entries of both streams for poll. Returns the longest wait in milliseconds, -1: without limit. */
int keeper_lines_wanted(const struct keeper *keeper, struct pollfd *ready);
/* Moves what can be moved without waiting. */
void keeper_lines_move(struct keeper *keeper, const struct pollfd *ready);

/* Passes on what is left of the output, when no process of the application is left. Waits for the readers; once the keeper is told to end,
 * LAST_LINES_MS. */
void keeper_pass_on_rest(struct keeper *keeper);
