/* What goes from the caller's terminal to the box's, and back. */
#pragma once

#include "terminal.h"

#include <poll.h>
#include <stdbool.h>

enum { TERMINAL_POLLS = 2 };

/* Fills the entries of both terminals for poll. Returns the milliseconds until the next call, -1: the next event. `executed`: the payload
 * has. */
int terminal_wanted(const struct terminal *terminal, bool executed, struct pollfd ready[TERMINAL_POLLS]);
/* Moves what can be moved without waiting. */
void terminal_move(struct terminal *terminal, const struct pollfd ready[TERMINAL_POLLS]);

/* The box is gone. What it has written is in the kernel, and is passed on before the supervisor speaks there. */
void terminal_over(struct terminal *terminal);
/* Whether payload output is still to be written. If not, and the box is gone or the shim is `ending`, it restores the caller's modes. */
bool terminal_has_more(struct terminal *terminal, bool ending);
