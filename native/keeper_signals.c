/* See keeper_signals.h. */
#include "keeper_signals.h"
#include "pty.h"

#include <signal.h>
#include <unistd.h>

/* How soon after the caller each process has what a batch system sends to all of them. */
enum { TO_ALL_MS = 10 };

/* Signals the payload's process or its group, as long as it lives. */
static void signal_payload(struct keeper *keeper, int signo, bool to_group)
{
	/* A sender that signals every process of a job (Slurm) has signalled the payload too. All are blocked here, so it is pending.
	 * What the box's terminal may have sent says nothing of the payload. */
	bool of_terminal = keeper->payload->terminal && pty_sends(signo);
	if (keeper->executed && !of_terminal && sig_take(signo, TO_ALL_MS))
		return;
	if (keeper->pid && !keeper->ended) /* not reaped, so the pid is still the payload's */
		kill(to_group ? -keeper->pid : keeper->pid, signo);
}

void keeper_take_signal(struct keeper *keeper, int signo, bool to_group)
{
	sigmask *kept = &keeper->kept[to_group];

	if (signo >= 32) {
		signal_payload(keeper, signo, to_group);
		return;
	}
	*kept &= ~sig_cancels(signo);
	*kept |= SIG_BIT(signo);
}

void keeper_pass_on_signals(struct keeper *keeper)
{
	for (int to_group = 0; to_group < 2; to_group++) {
		for (int signo = 1; signo < 32; signo++)
			if (keeper->kept[to_group] & SIG_BIT(signo))
				signal_payload(keeper, signo, to_group);
		keeper->kept[to_group] = 0;
	}
}

void keeper_take_foreground(struct keeper *keeper, bool in_front)
{
	struct payload *payload = keeper->payload;

	/* process 1 is in front from its start, and stays: see keeper.c */
	if (!payload->terminal || payload->guest.apart || !keeper->pid || keeper->ended)
		return;
	/* a process of the box may have put another group in front, as shells do */
	if (in_front) {
		if (!keeper->foreground || kill(-keeper->foreground, 0) || tcsetpgrp(payload->tty, keeper->foreground))
			pty_foreground(payload->tty, keeper->pid);
		keeper->foreground = 0;
		return;
	}
	pid_t now = tcgetpgrp(payload->tty);
	keeper->foreground = now > 0 && now != getpgrp() ? now : 0;
	tcsetpgrp(payload->tty, getpgrp());
}
