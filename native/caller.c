/* Capture of what the caller gave: descriptors, limits, signals, umask, directory. Must run before anything
 * else opens a descriptor or touches a signal. */
#include "caller.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STACK_COMMON = 8 << 20 };

/* Lists the open descriptors and makes them close-on-exec. Dies without /proc. */
static void capture_descriptors(struct caller *caller)
{
	if (!list_descriptors(&caller->fds, &caller->fd_count))
		die("/proc/self/fd: %s", strerror(errno));
	/* They are sent to init; the supervisor and the engine must not have them by inheritance. */
	for (size_t i = 0; i < caller->fd_count; i++)
		set_cloexec(caller->fds[i], true);
}

/* A job's soft limits are for the payload; a supervisor or an engine that dies of them would be our failure. The stack is raised to what is
 * common only: without an end the kernel places all else otherwise (mmap_base of mmap_is_legacy). */
static void capture_limits(struct caller *caller)
{
	static const int raised[] = { RLIMIT_AS,  RLIMIT_DATA,	RLIMIT_FSIZE,
				      RLIMIT_CPU, RLIMIT_NPROC, RLIMIT_NOFILE };

	for (int i = 0; i < (int)RLIM_NLIMITS; i++)
		getrlimit(i, &caller->limits[i]);
	for (size_t i = 0; i < sizeof raised / sizeof *raised; i++) {
		struct rlimit limit = caller->limits[raised[i]];
		limit.rlim_cur = limit.rlim_max;
		setrlimit(raised[i], &limit);
	}
	struct rlimit stack = caller->limits[RLIMIT_STACK];
	if (stack.rlim_cur < STACK_COMMON) {
		stack.rlim_cur = stack.rlim_max < STACK_COMMON ? stack.rlim_max : STACK_COMMON;
		setrlimit(RLIMIT_STACK, &stack);
	}
}

char *caller_cramped(const struct caller *caller)
{
	/* several times what the runtimes need that the supervisor is made for */
	static const struct {
		int which;
		const char *name, *unit;
		rlim_t enough, units;
	} needs[] = {
		{ RLIMIT_AS, "address space", " KiB", 4UL << 30, 1024 },
		{ RLIMIT_DATA, "data", " KiB", 1UL << 30, 1024 },
		{ RLIMIT_STACK, "stack", " KiB", 1UL << 20, 1024 },
		{ RLIMIT_NPROC, "processes of the account", "", 4096, 1 },
	};
	char *words = NULL;

	for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
		rlim_t most = caller->limits[needs[i].which].rlim_max;
		if (most >= needs[i].enough)
			continue;
		char *more = xprintf("%s%s%s: at most %llu%s", words ? words : "", words ? ", " : "", needs[i].name,
				     (unsigned long long)(most / needs[i].units), needs[i].unit);
		free(words);
		words = more;
	}
	return words;
}

/* Finds the first descriptor that is a terminal, and all that are the same terminal. */
static void capture_terminal(struct caller *caller)
{
	unsigned first = 0, device, number;

	caller->terminal = -1;
	for (size_t i = 0; i < caller->fd_count; i++) {
		int fd = caller->fds[i];
		/* what is no device is not asked: its file system can hang */
		if (!S_ISCHR(kind_of(fd)))
			continue;
		/* the same terminal also where it was opened as /dev/tty; the other end of one (TIOCGPTN) is none */
		if (ioctl(fd, TIOCGDEV, &device) || ioctl(fd, TIOCGPTN, &number) == 0)
			continue;
		if (caller->terminal < 0) {
			first = device;
			caller->terminal = fcntl(fd, F_DUPFD_CLOEXEC, 3);
			caller->terminals = xrealloc(NULL, caller->fd_count * sizeof *caller->terminals);
		}
		if (device == first)
			caller->terminals[caller->terminal_count++] = fd;
	}
}

bool caller_at_terminal(const struct caller *caller, int fd)
{
	for (size_t i = 0; i < caller->terminal_count; i++)
		if (caller->terminals[i] == fd)
			return true;
	return false;
}

void caller_capture(struct caller *caller, int argc, char **argv, char **environment)
{
	caller->started = monotonic_us();
	caller->argc = argc;
	caller->argv = argv;
	caller->environment = environment;
	caller->mask = sig_set_mask(SIG_EVERY);
	caller->ignored = sig_ignored();
	sig_default_all();
	capture_limits(caller);
	capture_descriptors(caller);
	capture_terminal(caller);
	caller->umask = umask(077);
	caller->cwd = getcwd(NULL, 0);
	if (!caller->cwd)
		caller->cwd = xmemdup("", 1);
}

void caller_release(struct caller *caller)
{
	int null = above_standard(open("/dev/null", O_RDWR | O_CLOEXEC));

	for (size_t i = 0; i < caller->fd_count; i++) {
		int fd = caller->fds[i];
		if (fd > 2 || null < 0 || dup3(null, fd, O_CLOEXEC) < 0)
			close(fd);
	}
	close_kept(null);
	free(caller->fds);
	caller->fds = NULL;
	caller->fd_count = 0;
}

void caller_hand_on(const struct caller *caller)
{
	for (size_t i = 0; i < caller->fd_count; i++)
		set_cloexec(caller->fds[i], false);
}

const char *environment_get(char *const *environment, const char *name)
{
	size_t length = strlen(name);

	for (; *environment; environment++)
		if (!strncmp(*environment, name, length) && (*environment)[length] == '=')
			return *environment + length + 1;
	return NULL;
}
