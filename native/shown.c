/* See shown.h. A daemon finds a path once more, with root's rights: a link that the account has put into the path meanwhile would lead the daemon to where the
 * account cannot get, such as below a directory of mode 0700. So the account opens what is to be shown before the daemon is asked, and init compares
 * that with what it has in the box before anything of the payload runs. */
#include "shown.h"
#include "identity.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A place that is reached without a link: what a link leads to may be the file itself, and not what is mounted over it. */
#define PLAIN "plain"
/* A place at which the account is to find nothing in the box either. */
#define CLOSED "closed"

/* linux/openat2.h, which glibc's headers do not have everywhere. */
struct how {
	unsigned long long flags, mode, resolve;
};
enum { WITHOUT_LINKS = 0x04 };

static bool at_end(char *const *words)
{
	return strcmp(*words, "--") == 0;
}

_Bool shown_are(char **words)
{
	if (at_end(words))
		return true;
	for (words++; !at_end(words); words += 3)
		if (at_end(words + 1) || at_end(words + 2))
			return false;
	return true;
}

/* In a child, which stays until its parent has taken what it has opened. */
static _Noreturn void open_as(const struct identity *identity, char **words, int told)
{
	const char *what = NULL;

	if (!identity_take(identity, &what))
		die("tare-bridge: %s: %s", what, strerror(errno));
	/* another uid forgets it */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (; !at_end(words); words += 3) {
		int fd = open(words[1], O_PATH | O_CLOEXEC);
		if (fd < 0 && !strcmp(words[0], PLAIN))
			die("tare-bridge: %s, as the account of the box: %s", words[1], strerror(errno));
		if (!write_all(told, &fd, sizeof fd))
			_exit(EXIT_WRAPPER);
	}
	for (;;)
		pause();
}

/* Takes a descriptor of the child's, and notes what it is; -1: the account finds nothing. It stays open, so that its number becomes no other file's. */
static void note(struct shown *shown, pid_t child, int theirs, char *const *words)
{
	struct stat found = { 0 };
	const char *kind = theirs < 0 ? CLOSED : words[0];
	char *link = xprintf("/proc/%d/fd/%d", (int)child, theirs);
	int fd = theirs < 0 ? -1 : open(link, O_PATH | O_CLOEXEC);

	if (theirs >= 0 && (fd < 0 || fstat(fd, &found)))
		die("tare-bridge: %s: %s", words[1], strerror(errno));
	char *text = xprintf("%s %llx %llx %s", kind, (unsigned long long)found.st_dev, (unsigned long long)found.st_ino, words[2]);
	size_t size = strlen(text) + 1;
	shown->text = xrealloc(shown->text, shown->size + size);
	memcpy(shown->text + shown->size, text, size);
	shown->size += size;
	free(text);
	free(link);
}

void shown_find(struct shown *shown, char **words)
{
	struct identity identity = { 0 };
	int ends[2], fd;

	if (at_end(words))
		return;
	if (!identity_parse(&identity, *words) || pipe2(ends, O_CLOEXEC))
		die("tare-bridge: the account of the box: %s", *words);
	words++;
	pid_t child = fork();
	if (child < 0)
		die("tare-bridge: fork: %s", strerror(errno));
	if (child == 0)
		open_as(&identity, words, ends[1]);
	close(ends[1]);
	for (; !at_end(words); words += 3) {
		if (read(ends[0], &fd, sizeof fd) != (ssize_t)sizeof fd)
			_exit(EXIT_WRAPPER); /* it has said why */
		note(shown, child, fd, words);
	}
	close(ends[0]);
	kill(child, SIGKILL);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

void shown_receive(struct shown *shown, int connection, size_t size)
{
	shown->text = xrealloc(NULL, size + 1);
	shown->size = size;
	shown->text[size] = 0;
	for (size_t got = 0; got < size;) {
		ssize_t more = read(connection, shown->text + got, size - got);
		if (more <= 0 && !(more < 0 && errno == EINTR))
			die("tare-connect: what the bridge sent ends too early");
		got += more > 0 ? (size_t)more : 0;
	}
}

static int open_place(const char *path, bool plain)
{
	struct how how = { .flags = O_PATH | O_CLOEXEC, .resolve = plain ? WITHOUT_LINKS : 0 };
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);

	/* before Linux 5.6 */
	return fd < 0 && errno == ENOSYS ? open(path, O_PATH | O_CLOEXEC) : fd;
}

void shown_check(const struct shown *shown)
{
	for (const char *at = shown->text; at < shown->text + shown->size; at += strlen(at) + 1) {
		char kind[8] = "";
		unsigned long long device = 0, inode = 0;
		int path = 0;
		struct stat found;

		if (sscanf(at, "%7s %llx %llx %n", kind, &device, &inode, &path) < 3 || at[path] != '/')
			die("tare-connect: what the bridge sent: %s", at);
		int fd = open_place(at + path, !strcmp(kind, PLAIN));
		if (fd < 0 && !strcmp(kind, CLOSED))
			continue;
		if (fd < 0 || fstat(fd, &found))
			die("tare-connect: %s: %s", at + path, strerror(errno));
		if (found.st_dev != device || found.st_ino != inode)
			die("tare-connect: %s: in the box is something else than its account had there", at + path);
		close(fd);
	}
}
