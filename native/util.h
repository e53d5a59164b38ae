/* Small helpers that every role needs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>

enum {
	EXIT_WRAPPER = 125, /* the wrapper failed, not the payload */
	EXIT_NOT_EXECUTED = 127, /* the kill switch's exec failed: a shell's code for it */
};

/* Writes "tare: ..." and a newline to descriptor 2 and exits with EXIT_WRAPPER. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As realloc(3) and the like; the process ends when there is no memory. The caller frees what they return. */
void *xrealloc(void *old, size_t size);
void *xmemdup(const void *data, size_t size);
char *xprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The whole string is a decimal number in min..max. */
bool parse_number(const char *text, long min, long max, long *number);

/* Moves a descriptor of ours out of 0..2 (the caller may have these closed, and the payload must find them so)
 * and makes it close-on-exec. Takes -1, and returns -1, with errno. */
int above_standard(int fd);

/* The kind of what is open (S_IFMT of a mode), as the kernel knows it: a file system that hangs is not asked, as fstat(2) would. 0: not known. */
mode_t kind_of(int fd);

/* A file in memory that is close-on-exec and cannot be executed (memfd_create(2)); with `sealing`, seals can be put on it. -1, with errno.
 * Linux 6.3 to 6.5 refuse others where vm.memfd_noexec is 2. */
int memory_file(const char *name, bool sealing);

/* Closes what is open, and keeps errno: it says why the caller fails. */
void close_kept(int fd);
/* Closes what is open, and makes it -1. */
void close_once(int *fd);

/* False, with errno. */
bool set_cloexec(int fd, bool on);

/* Closes all descriptors but the count listed ones. False when /proc cannot tell. */
bool close_all_but(const int *keep, size_t count);

/* Ends this process, which is in a box, with its descriptors closed. The kernel takes away a process's memory before its descriptors, and with the
 * memory the mark that it is not dumpable (PR_SET_DUMPABLE): some kernels let a process of the same uid take descriptors of it in that moment
 * (pidfd_getfd(2); seen in 5.10), such as the socket by which it reports. Never for a child that shares its descriptors with its parent
 * (clone(2), CLONE_FILES). */
_Noreturn void close_and_exit(int status);

/* Numbers of all open descriptors, ascending; the caller frees it. False, with errno, when /proc cannot tell. */
bool list_descriptors(int **numbers, size_t *count);

/* Microseconds of a clock. */
long long clock_us(clockid_t clock);
/* CLOCK_MONOTONIC in µs, which is the supervisor's clock too. */
long long monotonic_us(void);
struct timeval;
/* A time in microseconds. */
long long time_us(struct timeval time);

/* Writes all bytes, in as many calls as that takes. False, with errno. */
bool write_all(int fd, const void *data, size_t size);
