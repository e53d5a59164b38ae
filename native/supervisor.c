/* Finding and executing the JavaScript. Nothing of the job's environment reaches it: NODE_OPTIONS and its like
 * act before any script does. */
#include "supervisor.h"
#include "generated/protocol.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHIM_FD = 3, ENVIRONMENT_MAX = 16 };

char *const clean_environment[] = {
	(char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	(char *)"LANG=C.UTF-8",
	NULL,
};

/* The command line asks the name service where these are missing: that fails for a uid without an account, and takes as long as the name
 * service wants. It has no use for either. */
static char *const neutral[] = { (char *)"HOME=/", (char *)"SHELL=/bin/sh" };

/* The next line without its newline; empty at the end. */
static char *line_of(char **rest)
{
	char *line = strsep(rest, "\n");

	return line ? line : (char *)"";
}

/* Relative to the executable's directory. */
static char *beside(const char *directory, const char *path)
{
	if (!*path)
		return NULL;
	return *path == '/' ? xmemdup(path, strlen(path) + 1) : xprintf("%s/%s", directory, path);
}

char *supervisor_locate(struct supervisor_file *file)
{
	/* static: a caller may have left us little stack */
	static char directory[PATH_MAX], text[3 * PATH_MAX + 4];
	char *rest = text;
	ssize_t length = readlink("/proc/self/exe", directory, sizeof directory - 1);

	if (length < 0)
		return xprintf("/proc/self/exe: %s", strerror(errno));
	directory[length] = 0;
	*strrchr(directory, '/') = 0;
	char *path = xprintf("%s/tare.supervisor", directory), *wrong = NULL;
	int fd = above_standard(open(path, O_RDONLY | O_CLOEXEC));
	length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (length < 0) {
		wrong = xprintf("%s: %s", path, strerror(errno));
	} else {
		text[length] = 0;
		file->interpreter = beside(directory, line_of(&rest));
		file->wrap = beside(directory, line_of(&rest));
		file->command_line = beside(directory, line_of(&rest));
		if (!file->interpreter)
			wrong = xprintf("%s: names no interpreter", path);
	}
	close_kept(fd);
	free(path);
	return wrong;
}

/* Appends the named variables of the caller to an environment that has `used`, and terminates it. Never frees them:
 * the process execs. */
static void pass_variables(char **environment, size_t used, const struct caller *caller, const char *const *names)
{
	for (; *names; names++) {
		const char *value = environment_get(caller->environment, *names);
		if (value && used < ENVIRONMENT_MAX - 1)
			environment[used++] = xprintf("%s=%s", *names, value);
	}
	environment[used] = NULL;
}

/* argv for INTERPRETER [SCRIPT] [FIRST] arguments of the caller… */
static char **supervisor_argv(const char *interpreter, const char *script, const char *first, const struct caller *caller,
			 bool with_arguments)
{
	char **argv = xrealloc(NULL, ((size_t)caller->argc + 4) * sizeof *argv);
	size_t used = 0;

	argv[used++] = xmemdup(interpreter, strlen(interpreter) + 1);
	if (script)
		argv[used++] = xmemdup(script, strlen(script) + 1);
	if (first)
		argv[used++] = xmemdup(first, strlen(first) + 1);
	for (int i = 1; with_arguments && i < caller->argc; i++)
		argv[used++] = caller->argv[i];
	argv[used] = NULL;
	return argv;
}

/* What cannot be executed is told to the shim as a frame: it has no business with a second channel. */
static _Noreturn void tell_not_executed(int socket, const char *path)
{
	struct message message;
	int error = errno;

	write_not_executed_frame(&message, &(struct not_executed_frame){ error, path });
	message_send(&message, socket);
	_exit(EXIT_WRAPPER);
}

/* Sets up 0, 1, 2 and the socket, and closes all other descriptors. */
static void supervisor_descriptors(int socket, const int output[2], int input)
{
	int null = above_standard(open("/dev/null", O_RDWR | O_CLOEXEC));

	if (input >= 0) /* one before may have read it */
		lseek(input, 0, SEEK_SET);
	dup2(input >= 0 ? input : null, 0);
	for (int i = 0; i < 2; i++)
		dup2(output[i] >= 0 ? output[i] : null, i + 1);
	dup2(socket, SHIM_FD); /* the socket is above it, see supervisor_start */
	int keep[] = { 0, 1, 2, SHIM_FD };
	close_all_but(keep, 4);
}

/* Executes the supervisor, in the child. Reports a failure on the socket. */
static _Noreturn void run_supervisor(const struct supervisor_file *file, const struct caller *caller, bool command_line,
				int socket, const int output[2])
{
	static const char *const passed[] = { "TERM", "COLUMNS", "NO_COLOR", NULL };
	const char *script = command_line ? file->command_line : file->wrap;
	char *environment[ENVIRONMENT_MAX] = { clean_environment[0], clean_environment[1], NULL };

	setsid();
	supervisor_descriptors(socket, output, caller->input);
	umask(022);
	if (command_line) {
		environment[2] = neutral[0];
		environment[3] = neutral[1];
		pass_variables(environment, 4, caller, passed);
	}
	/* A missing script is the interpreter's to report, on a descriptor 2 that may be read by no one. */
	if (script && access(script, R_OK))
		tell_not_executed(SHIM_FD, script);
	char **argv = supervisor_argv(file->interpreter, script, "@shim=3", caller, command_line);
	sig_discard_pending();
	set_cloexec(SHIM_FD, false);
	sig_set_mask(0);
	execve(file->interpreter, argv, environment);
	tell_not_executed(SHIM_FD, file->interpreter);
}

pid_t supervisor_start(const struct supervisor_file *file, const struct caller *caller, bool command_line, int socket,
		  const int output[2])
{
	pid_t pid = fork();

	if (pid == 0) {
		int high = fcntl(socket, F_DUPFD_CLOEXEC, SHIM_FD + 1);
		/* nor may they be in the socket's way */
		int high_output[2] = { -1, -1 };
		for (int i = 0; i < 2; i++)
			if (output[i] >= 0)
				high_output[i] = fcntl(output[i], F_DUPFD_CLOEXEC, SHIM_FD + 1);
		if (high < 0)
			_exit(EXIT_WRAPPER);
		run_supervisor(file, caller, command_line, high, high_output);
	}
	return pid;
}

_Noreturn void supervisor_become(const struct supervisor_file *file, const struct caller *caller)
{
	/* the last ones: which job doctor is called in */
	static const char *const passed[] = { "PATH", "TERM", "LANG", "LC_ALL", "TZ", "COLUMNS", "NO_COLOR",
					      "SLURM_JOB_ID", "SLURM_CONF", "_CONDOR_JOB_AD", "_CONDOR_SCRATCH_DIR", NULL };
	char *environment[ENVIRONMENT_MAX] = { neutral[0], neutral[1], NULL };

	pass_variables(environment, 2, caller, passed);
	execve(file->interpreter, supervisor_argv(file->interpreter, file->command_line, NULL, caller, true), environment);
	die("%s: %s", file->interpreter, strerror(errno));
}
