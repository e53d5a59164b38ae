/* See landlock.h. The kernel's rules are in landlock(7) and Documentation/userspace-api/landlock.rst; which rights and places the
 * supervisor says (src/plan/landlock.ts). Numbers are here, since headers of a machine that builds may be older than the kernel that runs. */
#include "landlock.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446 }; /* the same on all architectures */
enum { ASK_VERSION = 1, PATH_BENEATH = 1 };
/* The rights that apply to files: execute, write, read, truncate, ioctl. */
#define OF_FILES (1ULL << 0 | 1ULL << 1 | 1ULL << 2 | 1ULL << 14 | 1ULL << 15)

struct ruleset {
	uint64_t rights, network, scopes;
};

struct beneath {
	uint64_t rights;
	int32_t fd;
} __attribute__((packed));

bool landlock_rights(const char *text, unsigned long long *rights)
{
	size_t length = strspn(text, "0123456789abcdef");

	if (text[length] || !length || length > 16)
		return false;
	*rights = strtoull(text, NULL, 16);
	return *rights != 0;
}

/* Gives a file the rights that its type can have. False, with errno. */
static bool allow(int ruleset, int fd, unsigned long long rights)
{
	struct stat found;

	if (fstat(fd, &found))
		return false;
	struct beneath rule = { S_ISDIR(found.st_mode) ? rights : rights & OF_FILES, fd };
	return !rule.rights || !syscall(ADD_RULE, ruleset, PATH_BENEATH, &rule, 0);
}

/* Gives a path the rights. True for a path that does not exist or cannot be reached. False, with errno. */
static bool allow_place(int ruleset, const char *path, unsigned long long rights)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES;
	bool good = allow(ruleset, fd, rights);
	close_kept(fd);
	return good;
}

/* Pipes and sockets have no place, and need no permission: EBADFD. */
static bool allow_open(int ruleset, int fd, unsigned long long rights)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || (flags & O_ACCMODE) == O_RDONLY || allow(ruleset, fd, rights) || errno == EBADFD;
}

/* Gives the rights to all places and descriptors. False, with errno and `what`. */
static bool allow_all(int ruleset, const struct landlock *wall, const int *fds, size_t count, const char **what)
{
	for (size_t i = 0; i < wall->count; i++)
		if (!allow_place(ruleset, *what = wall->places[i], wall->rights))
			return false;
	*what = "a descriptor of the caller's";
	for (size_t i = 0; i < count; i++)
		if (!allow_open(ruleset, fds[i], wall->rights))
			return false;
	return true;
}

bool landlock_restrict(const struct landlock *wall, const int *fds, size_t count, const char **what)
{
	struct ruleset handled = { .rights = wall->rights, .scopes = wall->scopes };
	/* what a kernel before Linux 6.12 takes is shorter */
	size_t size = wall->scopes ? sizeof handled : sizeof handled.rights;
	int ruleset = (int)syscall(CREATE_RULESET, &handled, size, 0);

	*what = "landlock_create_ruleset";
	if (ruleset < 0)
		return false;
	bool good = allow_all(ruleset, wall, fds, count, what);
	if (good) {
		*what = "landlock_restrict_self";
		good = !syscall(RESTRICT_SELF, ruleset, 0);
	}
	close_kept(ruleset);
	return good;
}

int landlock_main(void)
{
	long version = syscall(CREATE_RULESET, NULL, 0, ASK_VERSION);

	printf("%ld\n", version < 0 ? 0 : version);
	return fflush(stdout) ? EXIT_WRAPPER : 0;
}
