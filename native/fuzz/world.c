#include "world.h"
#include "../util.h"
#include "../wait.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

jmp_buf world_end;
int world_file = -1;
int world_child = -1;

void broken(const char *words)
{
	fprintf(stderr, "does not hold: %s\n", words);
	abort();
}

void world_file_is(const void *bytes, size_t size)
{
	if (world_file < 0)
		world_file = memfd_create("fuzz", MFD_CLOEXEC);
	if (world_file < 0 || ftruncate(world_file, 0) || lseek(world_file, 0, SEEK_SET) || !write_all(world_file, bytes, size) ||
	    lseek(world_file, 0, SEEK_SET))
		broken("a memfd");
}

char *text_of(const uint8_t *data, size_t size)
{
	char *text = xrealloc(NULL, size + 1);
	size_t used = 0;

	for (; used < size && data[used]; used++)
		text[used] = (char)data[used];
	text[used] = 0;
	return text;
}

bool script_next(struct script *script)
{
	if (script->at >= script->end)
		return false;
	const uint8_t *stop = memchr(script->at, '\f', (size_t)(script->end - script->at));
	const uint8_t *end = stop ? stop : script->end;
	script->key = (char)*script->at++;
	message_begin(&script->frame, script->at < end ? (char)*script->at : '?');
	for (const uint8_t *at = script->at + 1; at < end;) {
		char string[65536];
		size_t size = 0;
		while (at < end && *at && *at != '\n') {
			if (size < sizeof string - 1)
				string[size++] = *at == '\v' ? '\n' : (char)*at;
			at++;
		}
		at++;
		message_add_bytes(&script->frame, string, size);
	}
	script->at = stop ? stop + 1 : script->end;
	return true;
}

struct frame script_frame(struct script *script)
{
	char *data = script->frame.data;

	return (struct frame){ .tag = data[4], .at = data + 5, .end = data + script->frame.size };
}

void script_write(struct script *script, int socket)
{
	size_t length = script->frame.size - 4;

	for (int i = 0; i < 4; i++)
		script->frame.data[i] = (char)(length >> 8 * i);
	if (send(socket, script->frame.data, script->frame.size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		errno = 0;
	message_free(&script->frame);
}

/* As poll(2), for what a harness has written: no signal ends it, and it does not sleep. */
int __wrap_wait_for(struct pollfd *ready, size_t count, int timeout_ms, sigmask mask);
int __wrap_wait_for(struct pollfd *ready, size_t count, int timeout_ms, sigmask mask)
{
	int found = poll(ready, count, 0);

	return found < 0 ? 0 : found;
}

/* What the calls of these names are in a harness (Makefile, WORLD). */
#define NOTHING(type, name, arguments)  \
	type world_##name arguments;   \
	type world_##name arguments    \
	{                               \
		errno = EPERM;          \
		return (type)-1;        \
	}

NOTHING(int, kill, (pid_t pid, int signo))
NOTHING(int, execve, (const char *path, char *const *argv, char *const *environment))
NOTHING(int, execv, (const char *path, char *const *argv))
NOTHING(int, execvp, (const char *path, char *const *argv))
NOTHING(int, unlink, (const char *path))
NOTHING(int, unlinkat, (int at, const char *path, int flags))
NOTHING(int, renameat, (int from_at, const char *from, int to_at, const char *to))
NOTHING(int, mkfifo, (const char *path, mode_t mode))
NOTHING(int, mkdir, (const char *path, mode_t mode))
NOTHING(int, mkdirat, (int at, const char *path, mode_t mode))
NOTHING(int, chown, (const char *path, uid_t uid, gid_t gid))
NOTHING(int, chmod, (const char *path, mode_t mode))
NOTHING(int, fchmod, (int fd, mode_t mode))
NOTHING(int, fchown, (int fd, uid_t uid, gid_t gid))
NOTHING(int, futimens, (int fd, const void *times))
NOTHING(int, chdir, (const char *path))
NOTHING(int, mount, (const char *source, const char *target, const char *type, unsigned long flags, const void *data))
NOTHING(int, umount2, (const char *path, int flags))
NOTHING(int, setns, (int fd, int kind))
NOTHING(int, unshare, (int flags))
NOTHING(long, syscall, (long number, ...))
NOTHING(int, prctl, (int option, ...))
NOTHING(int, setpriority, (int which, id_t who, int value))
NOTHING(int, setrlimit, (int which, const void *limit))
NOTHING(int, sigaction, (int signo, const void *action, void *before))
NOTHING(int, tcsetpgrp, (int fd, pid_t group))
NOTHING(int, close_range, (unsigned first, unsigned last, int flags))

int world_usleep(unsigned microseconds);
int world_usleep(unsigned microseconds)
{
	return 0;
}

pid_t world_fork(void);
pid_t world_fork(void)
{
	errno = EAGAIN;
	return world_child;
}

/* Each child that is waited for has ended. */
pid_t world_waitpid(pid_t pid, int *status, int flags);
pid_t world_waitpid(pid_t pid, int *status, int flags)
{
	if (status)
		*status = 0;
	errno = ECHILD;
	return pid > 0 ? pid : -1;
}

pid_t world_wait4(pid_t pid, int *status, int flags, void *usage);
pid_t world_wait4(pid_t pid, int *status, int flags, void *usage)
{
	errno = ECHILD;
	return -1;
}

static int opened(void)
{
	errno = ENOENT;
	return world_file < 0 ? -1 : dup(world_file);
}

int world_open(const char *path, int flags, ...);
int world_open(const char *path, int flags, ...)
{
	return opened();
}

int world_openat(int at, const char *path, int flags, ...);
int world_openat(int at, const char *path, int flags, ...)
{
	return opened();
}

FILE *world_fopen(const char *path, const char *mode);
FILE *world_fopen(const char *path, const char *mode)
{
	int fd = opened();

	return fd < 0 ? NULL : fdopen(fd, "r");
}

_Noreturn void world__exit(int status);
_Noreturn void world__exit(int status)
{
	longjmp(world_end, 1);
}

void payload_release(struct payload *payload)
{
	free(payload->text);
	free(payload->argv);
	free(payload->environment);
	free(payload->view.swaps);
	free(payload->view.kept);
	free(payload->wall.places);
	free(payload->guest.identity.groups);
	free(payload->guest.masked);
	free(payload->guest.read_only);
	free(payload->guest.writable);
}
