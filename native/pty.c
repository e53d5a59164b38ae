/* See pty.h, and pty(7). */
#include "pty.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A process of the box may have put something else there: it is not waited for, and only a master can do all of this. TIOCGPTPEER (Linux
 * 4.13) asks for no path. */
bool pty_open(struct pty *pty)
{
	int locked = 0;

	pty->slave = -1;
	pty->master = above_standard(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
	if (pty->master < 0)
		return false;
	if (ioctl(pty->master, TIOCSPTLCK, &locked) == 0)
		pty->slave = above_standard(ioctl(pty->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
	if (pty->slave >= 0)
		return true;
	close_kept(pty->master);
	return false;
}

void pty_give(int slave, const struct identity *owner)
{
	if (owner->wanted && fchown(slave, owner->uid, (gid_t)-1)) {
		/* an account that the box has no number for */
	}
}

bool pty_lead(int slave)
{
	/* fails for the leader of a session, which is as good */
	setsid();
	return ioctl(slave, TIOCSCTTY, 0) == 0;
}

bool pty_sends(int signo)
{
	return signo == SIGHUP || signo == SIGCONT || signo == SIGWINCH;
}

void pty_foreground(int slave, pid_t pid)
{
	setpgid(pid, pid); /* it does so itself, and may not have come so far */
	tcsetpgrp(slave, pid);
}
