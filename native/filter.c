/* See filter.h. The kernel's rules are in seccomp(2); what the program is made from is the supervisor's (src/engine/bpf.ts). */
#include "filter.h"
#include "util.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW (1UL << 2)
#endif

enum { DIGITS = 16 };

bool filter_valid(const char *text)
{
	size_t length = strspn(text, "0123456789abcdef");

	return !text[length] && length > 0 && length % DIGITS == 0 && length / DIGITS <= BPF_MAXINSNS;
}

/* Parses DIGITS hexadecimal digits. */
static struct sock_filter instruction(const char *text)
{
	char digits[DIGITS + 1] = "";

	memcpy(digits, text, DIGITS);
	unsigned long long all = strtoull(digits, NULL, 16);
	return (struct sock_filter){ (__u16)(all >> 48), (__u8)(all >> 40), (__u8)(all >> 32), (__u32)all };
}

bool filter_load(const char *text)
{
	size_t count = strlen(text) / DIGITS;
	struct sock_filter *program = xrealloc(NULL, count * sizeof *program);
	struct sock_fprog filter = { .len = (unsigned short)count, .filter = program };

	for (size_t i = 0; i < count; i++)
		program[i] = instruction(text + i * DIGITS);
	/* Without the flag kernels before 5.16 take speculation from the process, which slows it by half. Those before 4.17 know
	 * neither. */
	long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &filter);
	if (result && errno == EINVAL)
		result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
	int error = errno;
	free(program);
	errno = error;
	return result == 0;
}
