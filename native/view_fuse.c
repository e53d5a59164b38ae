/* See view_fuse.h. */
#include "view_fuse.h"
#include "capabilities.h"
#include "util.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	FUSE_TRIES = 2500, /* of 2 ms */
	FUSE_MAGIC = 0x65735546,
};

/* The child becomes the program. */
static _Noreturn void become_server(const char *program, const char *options, const char *source, const char *destination,
				    pid_t parent)
{
	char *const argv[] = { (char *)program, (char *)"-f", (char *)"-o", (char *)options,
			       (char *)(source ? source : destination), source ? (char *)destination : NULL, NULL };
	char *const environment[] = { NULL };

	/* it ends with the process that becomes the engine: else it would keep its own mount, and the mount it */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent && hand_capabilities_on())
		execve(program, argv, environment);
	_exit(EXIT_WRAPPER);
}

static bool is_served(const char *directory)
{
	struct statfs found;

	return statfs(directory, &found) == 0 && (unsigned)found.f_type == FUSE_MAGIC;
}

/* Waits until the program serves the directory, or has ended. */
static bool await_fuse(pid_t pid, const char *directory)
{
	bool served = false;

	errno = ETIMEDOUT;
	for (int tries = 0; pid > 0 && !served && tries < FUSE_TRIES; tries++) {
		if (waitpid(pid, NULL, WNOHANG) != 0) {
			errno = ECHILD;
			break;
		}
		served = is_served(directory);
		if (!served)
			usleep(2000);
	}
	return served;
}

bool fuse_serve(const char *program, const char *options, const char *source, const char *directory)
{
	pid_t self = getpid();
	pid_t pid = fork();

	if (pid == 0)
		become_server(program, options, source, directory, self);
	return await_fuse(pid, directory);
}
