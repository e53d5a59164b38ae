/* See remove.h. */
#include "remove.h"
#include "util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN_AT_ONCE = 32 };

static bool advanced; /* something of the tree was removed, or brought nearer */

static void remove_at(int top, int depth, int at, const char *name);

/* Removes all entries of a directory in a tree that begins at `top` (-1: at this directory). */
static void empty(int top, int depth, int at, const char *name)
{
	/* overlayfs makes directories of mode 0000, and others in them */
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == EACCES && fchmodat(at, name, 0700, 0) == 0)
		fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!directory) {
		close_kept(fd);
		return;
	}
	fchmod(fd, 0700);
	while ((entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			remove_at(top < 0 ? fd : top, depth + 1, fd, entry->d_name);
	closedir(directory);
}

/* What cannot be removed keeps nothing else. A tree can be deeper than a path is long, or than there are descriptors. */
static void remove_at(int top, int depth, int at, const char *name)
{
	static unsigned long number;
	bool gone = unlinkat(at, name, 0) == 0 || unlinkat(at, name, AT_REMOVEDIR) == 0;

	if (!gone && depth > OPEN_AT_ONCE) {
		char *nearer = xprintf(".tare-%d-%lu", getpid(), number++);
		gone = renameat(at, name, top, nearer) == 0;
		free(nearer);
	} else if (!gone) {
		empty(top, depth, at, name);
		gone = unlinkat(at, name, AT_REMOVEDIR) == 0;
	}
	advanced = advanced || gone;
}

void remove_tree(const char *path)
{
	int in_vain = 0;

	do {
		advanced = false;
		remove_at(-1, 0, AT_FDCWD, path);
		in_vain = advanced ? 0 : in_vain + 1;
	} while (in_vain < 2 && access(path, F_OK) == 0);
}
