/* From the shim's child to the engine: cgroups, CPUs, identity, then exec. Order matters: what needs the shim's
 * rights (groups, mounts) comes before the identity is given up. */
#include "enter.h"
#include "failed.h"
#include "supervisor.h"
#include "oom.h"
#include "step.h"
#include "util.h"
#include "view_cvmfs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What an engine executes in the box: `/proc/self/fd/4 tare-init 3`, with what init holds after a comma each: `3,5,6`. */
enum { ENGINE_CONTROL = 3, ENGINE_INIT = 4, ENGINE_HELD = 5 };

/* Sends `failed` to the shim and exits. */
static _Noreturn void fail_launch(int control, const char *step_name, int error, const char *what)
{
	struct message message;

	message_failed(&message, step_name, error, what);
	message_send(&message, control);
	_exit(EXIT_WRAPPER);
}

/* Pauses for a test. Exits when the shim is gone after it. */
static void stop_at(const struct launch *launch, const char *name, int control)
{
	if (step(launch->pause, name, control))
		_exit(EXIT_WRAPPER);
}

/* Joins the control groups of the box. Exits on an error. */
static void join(const struct launch *launch, int control)
{
	for (size_t i = 0; i < launch->joins.count; i++) {
		const char *path = launch->joins.items[i];
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "0\n", 2) != 2)
			fail_launch(control, "join", errno, path);
		close(fd);
	}
}

/* Raises the score of a process that joins a box, outside of it: inside, processes of its uid could look into it (oom.h). In a box, init
 * is not raised, and the payload's process raises its own. */
static void raise_score_of_joiner(const struct launch *launch, int control)
{
	bool joins = launch->engine.count > 1 && !strcmp(launch->engine.items[1], "tare-join");

	if (joins && launch->oom_score_adj && !oom_score_raise(launch->oom_score_adj))
		fail_launch(control, "oom_score_adj", errno, OOM_SCORE_FILE);
}

/* Mounts what the launch asks for. Exits on an error. */
static void build_view(const struct launch *launch, int control)
{
	const char *step_name = NULL, *what = NULL;

	if (!view_build(&launch->view, &step_name, &what))
		fail_launch(control, step_name, errno, what);
}

/* Makes 0 and 1 /dev/null and 2 the pipe to the shim. Exits on an error. */
static void engine_descriptors(int control, int errors)
{
	int null = above_standard(open("/dev/null", O_RDWR | O_CLOEXEC));

	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(errors, 2) < 0)
		fail_launch(control, "engine", errno, "/dev/null");
	close(null);
}

/* Where the engine's descendant finds init's socket, this program, and what it holds: an engine hands on so many from 3 on, or
 * all. First out of the way of each other. */
static void place_init(int *control, int *self)
{
	size_t count;
	const int *held = view_held(&count);
	int above = ENGINE_HELD + (int)count, moved[VIEW_HELD];
	int socket = fcntl(*control, F_DUPFD_CLOEXEC, above), program = fcntl(*self, F_DUPFD_CLOEXEC, above);

	if (socket < 0 || program < 0)
		fail_launch(*control, "engine", errno, "descriptors");
	*control = socket;
	for (size_t i = 0; i < count; i++)
		if ((moved[i] = fcntl(held[i], F_DUPFD_CLOEXEC, above)) < 0)
			fail_launch(*control, "engine", errno, "descriptors");
	for (size_t i = 0; i < count; i++)
		if (dup2(moved[i], ENGINE_HELD + (int)i) < 0)
			fail_launch(*control, "engine", errno, "descriptors");
	if (dup2(program, ENGINE_INIT) < 0 || dup2(socket, ENGINE_CONTROL) < 0)
		fail_launch(*control, "engine", errno, "descriptors");
	*control = ENGINE_CONTROL;
	*self = ENGINE_INIT;
}

/* The engine's argv; without an engine, init's. */
static char **engine_argv(const struct launch *launch)
{
	static char *init[] = { (char *)"/proc/self/fd/4", (char *)"tare-init", NULL, NULL };
	char *descriptors = xprintf("%d", ENGINE_CONTROL);
	size_t count;

	view_held(&count);
	for (size_t i = 0; i < count; i++) {
		char *longer = xprintf("%s,%d", descriptors, ENGINE_HELD + (int)i);
		free(descriptors);
		descriptors = longer;
	}
	init[2] = descriptors;
	return launch->engine.count ? launch->engine.items : init;
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

_Noreturn void enter_main(const struct launch *launch, bool at_terminal, int control, int errors)
{
	const char *what = NULL;
	/* in another session no process can type into the caller's terminal, even if it gets hold of it (TIOCSTI) */
	if (!at_terminal || setsid() < 0)
		setpgid(0, 0);
	sig_discard_pending();
	engine_descriptors(control, errors);
	int self = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	int keep[] = { 0, 1, 2, self, control };
	if (self < 0 || !close_all_but(keep, 5))
		fail_launch(control, "engine", errno, "/proc/self");
	stop_at(launch, "enter-start", control);
	/* kernels before 6.2 forget the caller's mask when a group with another cpuset is joined */
	cpu_set_t cpus = launch->cpus;
	bool known = launch->has_cpus || sched_getaffinity(0, sizeof cpus, &cpus) == 0;
	join(launch, control);
	if (known && sched_setaffinity(0, sizeof cpus, &cpus))
		fail_launch(control, "affinity", errno, "sched_setaffinity");
	stop_at(launch, "enter-joined", control);
	build_view(launch, control);
	raise_score_of_joiner(launch, control);
	if (!identity_take(&launch->identity, &what))
		fail_launch(control, "identity", errno, what);
	char **argv = engine_argv(launch);
	sig_set_mask(engine_mask());
	place_init(&control, &self);
	/* ways to what an engine mounts are the payload's too, and runc makes them with the umask that it finds */
	if (launch->engine.count)
		umask(022);
	execve(argv[0], argv, clean_environment);
	fail_launch(control, "engine", errno, argv[0]);
}
