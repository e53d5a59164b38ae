/* Small helpers that every role needs: memory, numbers, and descriptors that stay out of the payload's way. */
#include "util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { USUAL_DESCRIPTORS = 1024 };

_Noreturn void close_and_exit(int status)
{
	if (syscall(SYS_close_range, 0, ~0U, 0)) /* before Linux 5.9 */
		for (int fd = 0; fd < USUAL_DESCRIPTORS; fd++)
			close(fd);
	_exit(status);
}

_Noreturn void die(const char *format, ...)
{
	char line[4096] = "tare: ";
	size_t used = strlen(line);
	va_list args;

	va_start(args, format);
	/* NOLINTNEXTLINE: the format is checked at the callers by the attribute */
	vsnprintf(line + used, sizeof line - used - 1, format, args);
	va_end(args);
	strcat(line, "\n");
	write_all(2, line, strlen(line));
	_exit(EXIT_WRAPPER); /* a child that shares its descriptors with its parent comes here too */
}

void *xrealloc(void *old, size_t size)
{
	void *fresh = realloc(old, size ? size : 1);

	if (!fresh)
		die("out of memory");
	return fresh;
}

void *xmemdup(const void *data, size_t size)
{
	void *copy = xrealloc(NULL, size);

	if (size)
		memcpy(copy, data, size);
	return copy;
}

char *xprintf(const char *format, ...)
{
	char *text;
	va_list args;

	va_start(args, format);
	int length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0)
		die("out of memory");
	return text;
}

bool parse_number(const char *text, long min, long max, long *number)
{
	char *end;

	/* strtol would take leading blanks and a plus sign */
	if (!(*text == '-' || (*text >= '0' && *text <= '9')))
		return false;
	errno = 0;
	*number = strtol(text, &end, 10);
	return !errno && end != text && !*end && *number >= min && *number <= max;
}

int above_standard(int fd)
{
	if (fd < 0)
		return -1;
	if (fd > 2)
		return set_cloexec(fd, true) ? fd : -1;

	int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	close_kept(fd);
	return moved;
}

mode_t kind_of(int fd)
{
	struct statx known;
	struct stat found;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &known) == 0)
		return known.stx_mode & S_IFMT;
	/* before Linux 4.11, or a filter that does not know the call */
	return fstat(fd, &found) ? 0 : found.st_mode & S_IFMT;
}

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u /* Linux 6.3 */
#endif

int memory_file(const char *name, bool sealing)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL) /* an older kernel */
		return memfd_create(name, MFD_CLOEXEC | (sealing ? MFD_ALLOW_SEALING : 0));
	/* such a file allows seals */
	if (fd >= 0 && !sealing && fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) < 0) {
		close_kept(fd);
		return -1;
	}
	return fd;
}

void close_kept(int fd)
{
	int error = errno;

	if (fd >= 0)
		close(fd);
	errno = error;
}

void close_once(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

bool set_cloexec(int fd, bool on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) == 0;
}

static int ascending(const void *left, const void *right)
{
	int a = *(const int *)left, b = *(const int *)right;

	return (a > b) - (a < b);
}

bool list_descriptors(int **numbers, size_t *count)
{
	DIR *directory = opendir("/proc/self/fd");
	size_t capacity = 0;
	struct dirent *entry;
	long fd;

	*numbers = NULL;
	*count = 0;
	if (!directory)
		return false;
	while ((errno = 0, entry = readdir(directory))) {
		if (!parse_number(entry->d_name, 0, 1L << 30, &fd) || fd == dirfd(directory))
			continue;
		if (*count == capacity) {
			capacity = capacity ? 2 * capacity : 64;
			*numbers = xrealloc(*numbers, capacity * sizeof **numbers);
		}
		(*numbers)[(*count)++] = (int)fd;
	}
	int error = errno;
	closedir(directory);
	errno = error;
	if (error) {
		free(*numbers);
		return false;
	}
	if (*count)
		qsort(*numbers, *count, sizeof **numbers, ascending);
	return true;
}

bool close_all_but(const int *keep, size_t count)
{
	int *open_ones;
	size_t n;

	if (!list_descriptors(&open_ones, &n))
		return false;
	for (size_t i = 0; i < n; i++) {
		bool kept = false;
		for (size_t k = 0; k < count; k++)
			kept = kept || keep[k] == open_ones[i];
		if (!kept)
			close(open_ones[i]);
	}
	free(open_ones);
	return true;
}

long long clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

long long monotonic_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

long long time_us(struct timeval time)
{
	return time.tv_sec * 1000000LL + time.tv_usec;
}

bool write_all(int fd, const void *data, size_t size)
{
	const char *at = data;

	while (size) {
		ssize_t written = write(fd, at, size);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return false;
		at += written;
		size -= (size_t)written;
	}
	return true;
}
