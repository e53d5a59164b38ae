/* The caller's terminal, where one of its descriptors is that: its modes, and the group that is in front. The payload never gets it, but a
 * pseudo-terminal of the box's own; what goes from one to the other terminal_move.c moves.
 * A payload that has the terminal as descriptor 0 leads a session on the box's one. As long as it is in front (engaged), the caller's
 * terminal is raw: every key, Ctrl-C too, is the box's terminal's to interpret, and that has the modes that the caller's had. It is in
 * shim from the start where descriptor 1 is the terminal too; else, and in the background, from when it reads or sets a mode: the
 * kernel stops it for that (SIGTTIN, SIGTTOU). Until then, and for payloads that have the terminal only for output, nothing of the
 * caller's terminal is changed, since others may use it (`tare run -- simulate | less`), and the box's one passes bytes on as they are. */
#pragma once

#include "caller.h"
#include "frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <termios.h>

struct terminal {
	const struct caller *caller;
	struct channel *control; /* init's socket, the box's */
	int master; /* of the box's, -1: none */
	int outside; /* the caller's, opened so as not to block where that is allowed; -1: not yet */
	bool leads; /* the payload has it as descriptor 0 */
	bool alone; /* no pipeline of which others may read keys */
	bool engaged; /* the caller's is raw, and its keys go to the payload */
	bool plain; /* the box's passes on what is written as it is: the caller's does the rest */
	bool over; /* the box is gone */
	bool known; /* `before` is set */
	struct termios before; /* modes of the caller's */
	struct winsize size; /* the box's has */
	char in[4096], out[16384];
	size_t in_size, out_size;
};

/* Called before any box. `control` carries orders for init; it outlives the terminal. */
void terminal_begin(struct terminal *terminal, const struct caller *caller, struct channel *control);

/* init has made the box's one: takes its master over. False: it is no such thing, or there is one already. */
bool terminal_open(struct terminal *terminal, int master);

/* Called just before the payload is let go: engages when descriptor 1 is the terminal too, so that the payload finds its modes as they
 * stay. `first`: it is process 1, which the kernel does not stop when it reads in the background, and so never asks. */
void terminal_give(struct terminal *terminal, bool first);

/* Whether the payload leads a session on the box's terminal. */
bool terminal_leads(const struct terminal *terminal);
/* Whether our group is in front at the caller's terminal. True for a terminal that is not our controlling one. */
bool terminal_in_front(const struct terminal *terminal);

/* The payload has stopped by that signal. Gives it the terminal when it asked for that and may have it, else stops this process too, and
 * then continues the payload. `several`: there are other applications. */
void terminal_stopped(struct terminal *terminal, int signo, bool several);
/* This process was continued: engages again, since a shell has most likely set other modes. */
void terminal_continue(struct terminal *terminal);
/* Of several applications none is in front until it asks, so a typed SIGTSTP comes to this process. Stops it by that signal. True: it has
 * stopped and goes on, so the applications, which are in groups of their own, are to be continued. */
bool terminal_suspend(const struct terminal *terminal, int signo);

/* Passes on the size of the caller's terminal. True: it has changed, and the kernel tells the group in front in the box. */
bool terminal_resized(struct terminal *terminal);

/* Restores the modes for output while the supervisor speaks (on), and makes them raw after it. Only while the terminal is raw. */
void terminal_cook(const struct terminal *terminal, bool on);

/* Closes the box's terminal. Keys that were not written to it are lost. */
void terminal_close_master(struct terminal *terminal);
/* Restores the modes of the caller's terminal, unless another group is in front there. */
void terminal_disengage(struct terminal *terminal);
/* At the end of the shim. Output that was not written is lost. */
void terminal_end(struct terminal *terminal);
