/* Signals for a payload, and its place at the terminal, as its keeper is told. */
#pragma once

#include "keeper_state.h"

#include <stdbool.h>

/* For the payload, or for its group. Standard signals are kept until all that has come is read: the kernel too has each once, however
 * often it was sent (signal(7)). So a flood of one keeps no other waiting. One that stops takes SIGCONT away, and that takes those away.
 * False: it is no signal. */
void keeper_take_signal(struct keeper *keeper, int signo, bool to_group);
/* Called when all that has come is read: passes on the signals that were kept. */
void keeper_pass_on_signals(struct keeper *keeper);

/* `f` and `b`: the payload's group, or one that it has put in front, is in front at its terminal; or none is. */
void keeper_take_foreground(struct keeper *keeper, bool in_front);
