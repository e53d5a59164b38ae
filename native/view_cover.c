/* See view_cover.h. */
#include "view_cover.h"
#include "identity.h"
#include "mount_tree.h"
#include "mountinfo.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A remount must keep the flags of the mount: in a user namespace the kernel lets no process clear them. */
static unsigned long mount_flags(char *options)
{
	static const struct {
		const char *name;
		unsigned long flag;
	} flags[] = { { "nosuid", MS_NOSUID }, { "nodev", MS_NODEV }, { "noexec", MS_NOEXEC }, { "noatime", MS_NOATIME },
		      { "nodiratime", MS_NODIRATIME }, { "relatime", MS_RELATIME } };
	unsigned long found = 0;

	for (char *word; (word = strsep(&options, ","));)
		for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
			if (!strcmp(word, flags[i].name))
				found |= flags[i].flag;
	return found;
}

/* One mount after another, before Linux 5.12. A mount below that cannot be reached here cannot be reached in the box either. */
static bool remount_each(const char *top)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	size_t size = 0, length = strlen(top);
	char *line = NULL;
	bool done = mounts != NULL;

	while (done && getline(&line, &size, mounts) > 0) {
		char *rest = line, *point = NULL, *options = NULL;
		for (int word = 0; word < 6; word++) {
			char *next = strsep(&rest, " ");
			if (word == 4)
				point = next;
			options = next;
		}
		if (!point || !options)
			continue;
		mountinfo_unescape(point);
		if (strncmp(point, top, length) || (point[length] && point[length] != '/'))
			continue;
		unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | mount_flags(options);
		done = mount(NULL, point, NULL, flags, NULL) == 0 ||
		       (point[length] && (errno == EACCES || errno == EINVAL || errno == ENOENT));
	}
	int error = errno;
	free(line);
	if (mounts)
		fclose(mounts);
	errno = error;
	return done;
}

/* The mount that is open, with all below it. */
static bool make_mounted_read_only(int mounted)
{
	char *link = xprintf("/proc/self/fd/%d", mounted), path[4096];
	bool done = mount_tree_read_only(mounted, false);

	if (!done && errno == ENOSYS) {
		ssize_t size = readlink(link, path, sizeof path - 1);
		path[size > 0 ? size : 0] = 0;
		done = size > 0 && remount_each(path);
	}
	free(link);
	return done;
}

/* Paths that the job names are looked up with the rights of the job's user, which this process takes soon anyway (identity_take). */
static bool look_as(const char *text)
{
	struct identity user = { 0 };

	if (!*text)
		return true;
	if (!identity_parse(&user, text)) {
		errno = EINVAL;
		return false;
	}
	bool done = syscall(SYS_setgroups, user.group_count, user.groups) == 0;
	syscall(SYS_setfsgid, user.gid);
	syscall(SYS_setfsuid, user.uid);
	free(user.groups);
	return done;
}

/* Keeps errno. */
static void look_as_before(void)
{
	int error = errno;

	syscall(SYS_setfsgid, getegid());
	syscall(SYS_setfsuid, geteuid());
	errno = error;
}

/* Opens a path below a directory and follows no link in it: the directory's owner could have put one there. */
static int open_below(const char *directory, const char *path)
{
	char *copy = xprintf("%s", path), *rest = copy;
	int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (char *name; fd >= 0 && (name = strsep(&rest, "/"));) {
		if (!*name)
			continue;
		int next = openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC | (rest ? O_DIRECTORY : 0));
		close_kept(fd);
		fd = next;
	}
	int error = errno;
	free(copy);
	errno = error;
	return fd;
}

/* Mounts on an open directory or file. False, with errno. */
static bool mount_at(const char *source, int target, const char *type, unsigned long flags, const char *data)
{
	char *to = xprintf("/proc/self/fd/%d", target);
	bool done = target >= 0 && mount(source, to, type, flags, data) == 0;
	int error = errno;

	free(to);
	errno = error;
	return done;
}

/* Binds an open mount, with all below it, on an open directory or file. False, with errno. */
static bool bind_open(int source, int target)
{
	char *from = xprintf("/proc/self/fd/%d", source);
	bool done = source >= 0 && mount_at(from, target, NULL, MS_BIND | MS_REC, NULL);
	int error = errno;

	free(from);
	errno = error;
	return done;
}

bool op_closed(char *const *words)
{
	if (!look_as(words[4]))
		return false;
	int source = open(words[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
	look_as_before();
	int at = source < 0 ? -1 : open(words[2], O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	bool done = at >= 0 && bind_open(source, at);

	if (done && !strcmp(words[3], "ro")) {
		int mounted = open(words[2], O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		done = mounted >= 0 && make_mounted_read_only(mounted);
		close_kept(mounted);
	}
	close_kept(at);
	close_kept(source);
	return done;
}

bool op_inside(char *const *words)
{
	bool empty = !strcmp(words[1], "tmpfs"), done = false;

	if (!look_as(words[5]))
		return false;
	int source = empty ? -1 : open(words[2], O_PATH | O_CLOEXEC);
	int at = empty || source >= 0 ? open_below(words[3], words[4]) : -1;
	if (empty) {
		char *data = xprintf("mode=%s", words[2]);
		look_as_before();
		done = mount_at("tmpfs", at, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV, data);
		free(data);
	} else {
		done = bind_open(source, at);
		if (done && !strcmp(words[1], "ro")) {
			int mounted = open_below(words[3], words[4]);
			done = mounted >= 0 && make_mounted_read_only(mounted);
			close_kept(mounted);
		}
		look_as_before();
	}
	close_kept(at);
	close_kept(source);
	return done;
}
