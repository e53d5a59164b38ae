/* Signals as the kernel knows them: all 64. The C library hides 32 and 33 from sigprocmask, sigaction and the
 * like, but a caller can ignore or block them, and a payload can die of them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { SIG_LAST = 64 };

typedef uint64_t sigmask; /* bit n-1 is signal n */

#define SIG_BIT(n) ((sigmask)1 << ((n) - 1))
#define SIG_EVERY (~(sigmask)0)
/* All but those that queue. */
#define SIG_STANDARD (((sigmask)1 << 31) - 1)

/* What the kernel takes out of the queue when this signal comes (kernel/signal.c, prepare_signal): SIGCONT the stops, and a stop SIGCONT. */
sigmask sig_cancels(int signo);

/* Sets the signal mask, returns the one before. */
sigmask sig_set_mask(sigmask mask);

/* The signals that this process ignores. */
sigmask sig_ignored(void);
/* Sets the default disposition of all signals. */
void sig_default_all(void);
/* Ignores these signals; the others stay as they are. */
void sig_ignore(sigmask ignored);

/* For a process that others of its uid may flood. What it blocks waits once, however often it is sent, and does not wake it; what queues is
 * ignored, or each look at what is pending would go through all of it. The handlers before: sig_default_all. */
void sig_withstand(void);

/* Forgets what is pending (a signal to the caller's group that came before this process left that group).
 * All dispositions are the default ones after it. */
void sig_discard_pending(void);

/* The same for SIGCHLD only. */
void sig_discard_pending_child(void);

/* Takes a signal that is blocked and pending, or comes within so many milliseconds. False when none is. */
bool sig_take(int signo, long within_ms);

/* A signalfd, above 2 and close-on-exec. */
int sig_open(sigmask mask);
