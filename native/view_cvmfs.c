/* See view_cvmfs.h. */
#include "view_cvmfs.h"
#include "mount_tree.h"
#include "namespaces.h"
#include "util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TAKE_FAILED = 128 }; /* an exit status is a descriptor below it, an error above */

static int held[VIEW_HELD];
static size_t held_count;

bool op_hold(char *const *words)
{
	int fd;

	if (held_count == VIEW_HELD) {
		errno = EMFILE;
		return false;
	}
	fd = above_standard(open(words[1], O_PATH | O_DIRECTORY | O_CLOEXEC));
	if (fd >= 0)
		held[held_count++] = fd;
	return fd >= 0;
}

const int *view_held(size_t *count)
{
	*count = held_count;
	return held;
}

bool op_graft(char *const *words)
{
	int tree = mount_tree_open(words[1]);

	if (tree < 0)
		return false;
	bool attached = mount_tree_read_only(tree, true) && mount_tree_attach(tree, words[2]);
	close_kept(tree);
	return attached;
}

/* Mounts in hand, each with the name that it gets in the directory of all repositories. */
static struct taken {
	const char *name;
	int tree;
} taken[VIEW_HELD];
static size_t taken_count;

/* Takes the mount over, unless it is -1; then errno is kept. False, with errno. */
static bool take_in_hand(const char *name, int tree)
{
	if (tree >= 0 && taken_count < VIEW_HELD) {
		taken[taken_count++] = (struct taken){ name, tree };
		return true;
	}
	if (tree >= 0)
		errno = EMFILE;
	return false;
}

/* A mount of another process's: a child goes there, and what it opens is open here too. -1, with errno. */
static int open_tree_at(pid_t mounter, const char *path)
{
	int status;
	pid_t child = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);

	if (child == 0) {
		int tree = mounts_join(mounter) ? mount_tree_open(path) : -1;
		_exit(tree < 0 ? TAKE_FAILED + (errno < TAKE_FAILED ? errno : 0) : tree < TAKE_FAILED ? tree : TAKE_FAILED + EMFILE);
	}
	if (child < 0)
		return -1;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	if (WIFEXITED(status) && WEXITSTATUS(status) < TAKE_FAILED)
		return WEXITSTATUS(status);
	errno = WIFEXITED(status) ? WEXITSTATUS(status) - TAKE_FAILED : ECANCELED;
	return -1;
}

bool op_take(char *const *words)
{
	long mounter;

	if (!parse_number(words[1], 1, 1L << 30, &mounter)) {
		errno = EINVAL;
		return false;
	}
	return take_in_hand(words[3], open_tree_at((pid_t)mounter, words[2]));
}

bool op_retain(char *const *words)
{
	return take_in_hand(words[2], mount_tree_open(words[1]));
}

/* The entries of the root directory as they are, but in a file system of this process's, in which more can be made. Where it is put
 * together is free again afterwards. */
static bool copy_entry(const struct dirent *entry, const char *aside)
{
	char *from = xprintf("/%s", entry->d_name), *to = xprintf("%s/%s", aside, entry->d_name), link[4096];
	struct stat found;
	bool done = true;

	if (lstat(from, &found)) {
		done = errno == ENOENT || errno == EACCES;
	} else if (S_ISLNK(found.st_mode)) {
		ssize_t size = readlink(from, link, sizeof link - 1);
		link[size > 0 ? size : 0] = 0;
		done = size > 0 && symlink(link, to) == 0;
	} else if (S_ISDIR(found.st_mode) || S_ISREG(found.st_mode)) {
		int tree = mount_tree_open(from);
		int file = S_ISREG(found.st_mode) ? open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0444) : -1;
		/* what may not be copied is left out: only its owner gets there */
		done = tree < 0 || ((S_ISREG(found.st_mode) ? file >= 0 : mkdir(to, 0755) == 0) && mount_tree_attach(tree, to));
		close_kept(tree);
		close_kept(file);
	}
	free(from);
	free(to);
	return done;
}

/* Makes a root of this process's own that has all entries of the node's, and the directory. False, with errno. */
static bool widen_root(const char *directory)
{
	/* any directory will do that is there on every node: it is to be seen again when the root is changed */
	static const char aside[] = "/dev";
	if (strchr(directory + 1, '/')) {
		/* it would be made in a directory of the node's */
		errno = ENOENT;
		return false;
	}
	int tree = mount_tree_open(aside), old = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = old < 0 ? NULL : fdopendir(old);
	bool done = tree >= 0 && entries && mount("tmpfs", aside, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m") == 0;

	for (const struct dirent *entry; done && (entry = readdir(entries));) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (strcmp(entry->d_name, aside + 1)) {
			done = copy_entry(entry, aside);
			continue;
		}
		char *to = xprintf("%s%s", aside, aside);
		done = mkdir(to, 0755) == 0 && mount_tree_attach(tree, to);
		free(to);
	}
	char *point = xprintf("%s%s", aside, directory);
	done = done && mkdir(point, 0755) == 0 && change_root(aside);
	int error = errno;
	free(point);
	close_kept(tree);
	if (entries)
		closedir(entries);
	errno = error;
	return done;
}

bool op_give(char *const *words)
{
	struct stat found;

	if (lstat(words[1], &found) ? errno != ENOENT || !widen_root(words[1]) : !S_ISDIR(found.st_mode))
		return false;
	if (mount("tmpfs", words[1], "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64k"))
		return false;
	for (size_t i = 0; i < taken_count; i++) {
		char *point = xprintf("%s/%s", words[1], taken[i].name);
		bool attached = mkdir(point, 0755) == 0 && mount_tree_attach(taken[i].tree, point);
		free(point);
		if (!attached)
			return false;
		close(taken[i].tree);
	}
	taken_count = 0;
	return mount(NULL, words[1], NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) == 0;
}
