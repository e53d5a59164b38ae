/* The box's own end of the caller's terminal: a pseudo-terminal of the box's devpts. Its other end (the master) is the shim's, see
 * terminal.c. */
#pragma once

#include "identity.h"

#include <stdbool.h>
#include <sys/types.h>

struct pty {
	int master, slave;
};

/* Makes one, by the /dev/ptmx of this process's mounts. False, with errno. */
bool pty_open(struct pty *pty);

/* Gives it to that account, which can then open it by its name. Where that fails it stays the opener's. */
void pty_give(int slave, const struct identity *owner);

/* This process becomes the leader of a session whose terminal it is, and the terminal's foreground group is its own. */
bool pty_lead(int slave);

/* Whether the kernel sends that to the leader of the session too: when the terminal hangs up, and when its size changes while the leader's
 * group is in front. */
bool pty_sends(int signo);

/* Makes the group of that process the foreground group; `pid` leads it, or is about to. */
void pty_foreground(int slave, pid_t pid);
