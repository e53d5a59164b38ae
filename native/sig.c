/* Raw signal calls, see sig.h for why the C library's do not do. */
#include "sig.h"
#include "util.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* What rt_sigaction takes. Only the handler is ever set here, so it does not matter in which order the
 * architectures have the rest. */
struct kernel_sigaction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	sigmask mask;
};

sigmask sig_set_mask(sigmask mask)
{
	sigmask before = 0;

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &before, sizeof mask);
	return before;
}

/* Sets SIG_DFL or SIG_IGN. */
static void set_handler(int signo, void (*handler)(int))
{
	struct kernel_sigaction action;

	memset(&action, 0, sizeof action);
	action.handler = handler;
	/* fails for SIGKILL and SIGSTOP, which have the default one always */
	syscall(SYS_rt_sigaction, signo, &action, NULL, sizeof(sigmask));
}

sigmask sig_cancels(int signo)
{
	static const sigmask stops = SIG_BIT(SIGSTOP) | SIG_BIT(SIGTSTP) | SIG_BIT(SIGTTIN) | SIG_BIT(SIGTTOU);

	if (signo == SIGCONT)
		return stops;
	return signo < 32 && (SIG_BIT(signo) & stops) ? SIG_BIT(SIGCONT) : 0;
}

sigmask sig_ignored(void)
{
	sigmask ignored = 0;

	for (int signo = 1; signo <= SIG_LAST; signo++) {
		struct kernel_sigaction action;
		memset(&action, 0, sizeof action);
		if (syscall(SYS_rt_sigaction, signo, NULL, &action, sizeof(sigmask)) == 0 &&
		    action.handler == SIG_IGN)
			ignored |= SIG_BIT(signo);
	}
	return ignored;
}

void sig_default_all(void)
{
	for (int signo = 1; signo <= SIG_LAST; signo++)
		set_handler(signo, SIG_DFL);
}

void sig_ignore(sigmask ignored)
{
	for (int signo = 1; signo <= SIG_LAST; signo++)
		if (ignored & SIG_BIT(signo))
			set_handler(signo, SIG_IGN);
}

void sig_withstand(void)
{
	sig_ignore(~SIG_STANDARD);
	sig_set_mask(SIG_STANDARD);
}

void sig_discard_pending(void)
{
	sig_ignore(SIG_EVERY); /* the kernel drops a pending signal that becomes ignored */
	sig_default_all();
}

void sig_discard_pending_child(void)
{
	set_handler(SIGCHLD, SIG_IGN);
	set_handler(SIGCHLD, SIG_DFL);
}

int sig_open(sigmask mask)
{
	return above_standard(
		(int)syscall(SYS_signalfd4, -1, &mask, sizeof mask, SFD_CLOEXEC | SFD_NONBLOCK));
}

bool sig_take(int signo, long within_ms)
{
	sigmask one = SIG_BIT(signo);
	struct timespec within = { within_ms / 1000, within_ms % 1000 * 1000000 };

	return syscall(SYS_rt_sigtimedwait, &one, NULL, &within, sizeof one) == signo;
}
