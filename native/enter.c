/* From the front's child to the engine: cgroups, CPUs, identity, then exec. Order matters: what needs the front's
 * rights (groups, mounts) comes before the identity is given up. */
#include "enter.h"
#include "brain.h"
#include "step.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Noreturn void fail(int control, const char *step_name, int error, const char *what)
{
	struct message message;

	message_failed(&message, step_name, error, what);
	message_send(&message, control);
	_exit(EXIT_WRAPPER);
}

static void stop_at(const struct launch *launch, const char *name, int control)
{
	if (step(launch->pause, name, control))
		_exit(EXIT_WRAPPER);
}

static void join(const struct launch *launch, int control)
{
	for (size_t i = 0; i < launch->joins.count; i++) {
		const char *path = launch->joins.items[i];
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "0\n", 2) != 2)
			fail(control, "join", errno, path);
		close(fd);
	}
}

/* The raw calls: the C library's would signal threads that a static program does not have. */
bool identity_take(const struct identity *identity, const char **what)
{
	if (!identity->wanted)
		return true;
	if (syscall(SYS_setgroups, identity->group_count, identity->groups))
		*what = "setgroups";
	else if (syscall(SYS_setresgid, identity->gid, identity->gid, identity->gid))
		*what = "setresgid";
	else if (syscall(SYS_setresuid, identity->uid, identity->uid, identity->uid))
		*what = "setresuid";
	else
		return true;
	return false;
}

static void build_view(const struct launch *launch, int control)
{
	const char *step_name = NULL, *what = NULL;

	if (!view_build(&launch->view, &step_name, &what))
		fail(control, step_name, errno, what);
}

static void engine_descriptors(int control, int errors)
{
	int null = above_standard(open("/dev/null", O_RDWR | O_CLOEXEC));

	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(errors, 2) < 0)
		fail(control, "engine", errno, "/dev/null");
	close(null);
}

/* For init: its socket, and what it only keeps. */
static char *init_descriptors(int control)
{
	size_t count;
	const int *held = view_held(&count);
	char *text = xprintf("%d", control);

	for (size_t i = 0; i < count; i++) {
		char *longer = xprintf("%s,%d", text, held[i]);
		free(text);
		text = longer;
		set_cloexec(held[i], false);
	}
	return text;
}

/* The engine's argv; without an engine, init's. */
static char **engine_argv(const struct launch *launch, int self, int control)
{
	char *init = xprintf("/proc/self/fd/%d", self), *socket = init_descriptors(control);
	char **argv = xrealloc(NULL, (launch->engine.count + 4) * sizeof *argv);
	size_t used = 0;

	if (!launch->engine.count) {
		argv[used++] = init;
		argv[used++] = (char *)"tare-init";
		argv[used++] = socket;
	}
	for (size_t i = 0; i < launch->engine.count; i++) {
		char *item = launch->engine.items[i];
		argv[used++] = !strcmp(item, "{init}") ? init : !strcmp(item, "{control}") ? socket : item;
	}
	argv[used] = NULL;
	return argv;
}

/* A signal that is sent to every process of a slot must not cost the box its engine: it takes SIGKILL. */
static sigmask engine_mask(void)
{
	static const int open_ones[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGCHLD };
	sigmask mask = SIG_EVERY;

	for (size_t i = 0; i < sizeof open_ones / sizeof *open_ones; i++)
		mask &= ~SIG_BIT(open_ones[i]);
	return mask;
}

_Noreturn void enter_main(const struct launch *launch, int control, int errors)
{
	const char *what = NULL;
	setpgid(0, 0);
	sig_discard_pending();
	engine_descriptors(control, errors);
	int self = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	int keep[] = { 0, 1, 2, self, control };
	if (self < 0 || !close_all_but(keep, 5))
		fail(control, "engine", errno, "/proc/self");
	stop_at(launch, "enter-start", control);
	/* kernels before 6.2 forget the caller's mask when a group with another cpuset is joined */
	cpu_set_t cpus = launch->cpus;
	bool known = launch->has_cpus || sched_getaffinity(0, sizeof cpus, &cpus) == 0;
	join(launch, control);
	if (known && sched_setaffinity(0, sizeof cpus, &cpus))
		fail(control, "affinity", errno, "sched_setaffinity");
	stop_at(launch, "enter-joined", control);
	build_view(launch, control);
	if (!identity_take(&launch->identity, &what))
		fail(control, "identity", errno, what);
	char **argv = engine_argv(launch, self, control);
	sig_set_mask(engine_mask());
	set_cloexec(self, false);
	set_cloexec(control, false);
	execve(argv[0], argv, clean_environment);
	fail(control, "engine", errno, argv[0]);
}
