/* See account.h. Root becomes the job's account before it looks at anything, so that the kernel refuses what it would refuse the job.
 * What is written is written below a directory in whose inside no link is followed: the payload could have put one there, which led
 * out of the box. */
#include "account.h"
#include "identity.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_WORD = 6 };

/* O_NONBLOCK: a named pipe must not hang us; one without a reader is an error. */
enum { CAREFUL = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC };

struct place {
	int parent; /* the directory that the name is in */
	const char *name;
};

/* `below` is relative, its last part is the name. */
static bool find(struct place *place, const char *directory, char *below)
{
	int at = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (char *part = below, *end; at >= 0; part = end + 1) {
		end = strchr(part, '/');
		if (end)
			*end = 0;
		if (!strcmp(part, "..") || !*part) {
			close(at);
			errno = EINVAL;
			return false;
		}
		if (!end) {
			*place = (struct place){ at, part };
			return true;
		}
		int next = openat(at, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close_kept(at);
		at = next;
	}
	return false;
}

/* Copies until the end of `from`. False, with errno. */
static bool copy(int from, int to)
{
	char bytes[65536];
	ssize_t n;

	while ((n = read(from, bytes, sizeof bytes)) > 0)
		if (!write_all(to, bytes, (size_t)n))
			return false;
	return n == 0;
}

/* All of it in one write(2) where that can be, so that what others append stands before or after it. */
static bool put_input(int fd, off_t offset)
{
	char *text = NULL;
	size_t size = 0, room = 0;
	ssize_t n = 1;

	for (; n > 0; size += n > 0 ? (size_t)n : 0) {
		if (size == room)
			text = xrealloc(text, room = room ? 2 * room : 65536);
		n = read(0, text + size, room - size);
	}
	bool done = n == 0 && (offset < 0 || lseek(fd, offset, SEEK_SET) == offset) && write_all(fd, text, size);
	free(text);
	return done;
}

/* False, with errno; EINVAL: it is no regular file. */
static bool is_file(int fd)
{
	struct stat found;

	if (fstat(fd, &found))
		return false;
	errno = EINVAL;
	return S_ISREG(found.st_mode);
}

/* Links are followed: as the account they lead to nothing that it could not read. */
static bool give_file(const char *path, const char *most)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat found;

	if (fd < 0 || !is_file(fd) || fstat(fd, &found))
		return false;
	errno = EFBIG;
	return found.st_size <= atoll(most) && copy(fd, 1);
}

/* Writes standard input into the file. `offset` -1: at its present position. False, with errno. */
static bool put(const struct place *place, int flags, off_t offset)
{
	int fd = openat(place->parent, place->name, O_WRONLY | CAREFUL | flags, 0644);

	if (fd < 0 || (!(flags & O_CREAT) && !is_file(fd)))
		return false;
	return put_input(fd, offset);
}

/* Whole or not at all. A pipe or a device is written to and not replaced. */
static bool replace(const struct place *place)
{
	struct stat found;

	if (!fstatat(place->parent, place->name, &found, AT_SYMLINK_NOFOLLOW) && !S_ISREG(found.st_mode) && !S_ISLNK(found.st_mode))
		return put(place, O_CREAT, -1);
	char *name = xprintf(".%.200s.%d-%lld.tmp", place->name, getpid(), monotonic_us());
	int fd = openat(place->parent, name, O_WRONLY | O_CREAT | O_EXCL | CAREFUL, 0644);
	bool done = fd >= 0 && put_input(fd, -1) && !fsync(fd) && !renameat(place->parent, name, place->parent, place->name);
	int error = errno;
	if (fd >= 0 && !done)
		unlinkat(place->parent, name, 0);
	errno = error;
	return done;
}

/* Lets others through the directory that the name is in. */
static bool let_pass(const struct place *place)
{
	int fd = openat(place->parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat found;

	return fd >= 0 && !fstat(fd, &found) && !fchmod(fd, (found.st_mode & 07777) | 0111);
}

/* Does what the words say. False, with errno. */
static bool act(const char *what, const char *directory, char *below, char **words)
{
	struct stat found;
	struct place place;

	if (!strcmp(what, "exists") || !strcmp(what, "read")) {
		char *path = xprintf("%s/%s", directory, below);
		return *what == 'e' ? !lstat(path, &found) : give_file(path, words[0]);
	}
	if (!find(&place, directory, below))
		return false;
	if (!strcmp(what, "write"))
		return put(&place, O_CREAT | O_TRUNC, -1);
	if (!strcmp(what, "append"))
		return put(&place, O_APPEND, -1);
	if (!strcmp(what, "overwrite"))
		return put(&place, 0, (off_t)atoll(words[0]));
	if (!strcmp(what, "replace"))
		return replace(&place);
	if (!strcmp(what, "remove"))
		return !unlinkat(place.parent, place.name, 0) || errno == ENOENT;
	if (!strcmp(what, "pass"))
		return let_pass(&place);
	errno = EINVAL;
	return false;
}

int account_main(int argc, char **argv)
{
	struct identity identity = { 0 };
	const char *what;

	if (argc < FIRST_WORD || (strcmp(argv[2], "-") && !identity_parse(&identity, argv[2])))
		return EXIT_WRAPPER;
	umask(022);
	if (!identity_take(&identity, &what))
		return EXIT_WRAPPER;
	if (act(argv[3], argv[4], argv[5], argv + FIRST_WORD))
		return 0;
	dprintf(2, "%d\n", errno);
	return 1;
}
