/* See descriptors.h. */
#include "descriptors.h"
#include "look.h"
#include "spaces.h"
#include "util.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The value of a field of /proc/PID/fdinfo/N (proc_pid_fdinfo(5)), -1 when there is none. */
static long long info_of(const char *directory, const char *name, const char *format)
{
	char *path = xprintf("%sinfo/%s", directory, name);
	FILE *info = fopen(path, "re");
	char line[256];
	long long value = -1;

	while (info && fgets(line, sizeof line, info))
		if (sscanf(line, format, &value) == 1)
			break;
	if (info)
		fclose(info);
	free(path);
	return value;
}

/* The pipe is opened as the process has it, so that to others no end is there that was not there. A pipe of packets has a page for each. */
static void look_at_pipe(struct held *held, const char *directory, const char *name, int at, uid_t owner)
{
	struct stat link;
	int waiting = 0;

	if (fstatat(at, name, &link, AT_SYMLINK_NOFOLLOW) || !(link.st_mode & (S_IRUSR | S_IWUSR)))
		return;
	if (geteuid() && owner != geteuid())
		return; /* the caller's, as the payload's output */
	int fd = openat(at, name, (link.st_mode & S_IRUSR ? O_RDONLY : O_WRONLY) | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		held->unseen |= 1U << WAY_PIPES;
		return;
	}
	long page = sysconf(_SC_PAGESIZE), room = fcntl(fd, F_GETPIPE_SZ);
	if (ioctl(fd, FIONREAD, &waiting) == 0 && waiting > 0) {
		long bytes = (waiting + page - 1) / page * page;
		long long flags = info_of(directory, name, "flags: %llo");
		held->pipes += flags >= 0 && flags & O_DIRECT && room > bytes ? room : bytes;
	}
	close(fd);
}

static bool is_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return !strncmp(path, directory, length) && path[length] == '/';
}

/* Whether the file lies in a watched directory, by its mount or by its path. */
static bool is_on_scratch(const struct held *held, const char *directory, const char *name, int at)
{
	char path[4096];
	ssize_t length = readlinkat(at, name, path, sizeof path - 1);
	long long mount = info_of(directory, name, "mnt_id: %lld");

	if (mount >= 0 && things_have(&held->mounted, 0, (uint64_t)mount))
		return true;
	path[length < 0 ? 0 : length] = 0;
	for (char *const *watched = held->watched; *watched; watched++)
		if (is_below(path, *watched))
			return true;
	return false;
}

/* The number of a file is given to another one as soon as it is free: its time of birth tells them apart, where the file system keeps
 * it. */
static void tell_deleted(const struct statx *file, uint64_t device)
{
	long long born = file->stx_mask & STATX_BTIME ? file->stx_btime.tv_sec * 1000000000LL + file->stx_btime.tv_nsec : 0;

	printf("deleted\t%llx/%llx/%llx\t%lld\n", (unsigned long long)device, (unsigned long long)file->stx_ino, (unsigned long long)born,
	       (long long)file->stx_blocks * BLOCK_UNIT);
}

/* Counts memfds, and prints deleted files of scratch. */
static void look_at_file(struct held *held, const struct statx *file, uint64_t device, const char *directory, const char *name, int at)
{
	if (device == memfd_device()) {
		if (things_add(&held->files, device, file->stx_ino))
			held->memfd += (long long)file->stx_blocks * BLOCK_UNIT;
	} else if (device == secret_device()) {
		if (things_add(&held->files, device, file->stx_ino))
			held->memfd += (long long)file->stx_size;
	} else if (!file->stx_nlink && file->stx_blocks && is_on_scratch(held, directory, name, at)) {
		if (things_add(&held->files, device, file->stx_ino))
			tell_deleted(file, device);
	}
}

static void look_at_namespace(struct held *held, const char *directory, const char *name)
{
	char *path = xprintf("%s/%s", directory, name);

	spaces_add(held, path);
	free(path);
}

/* Examines the file system of a descriptor, which may be the only thing that keeps it where no mount shows it. */
static void look_at_file_system(struct held *held, uint64_t device, const char *name, int at)
{
	char *path = xprintf("/proc/self/fd/%d/%s", at, name);

	if (device != memfd_device() && device != secret_device() && things_add(&held->devices, device, 0))
		spaces_look_at_file_system(held, device, path);
	free(path);
}

/* What a file system knows of a file already: one of the payload's own, or one whose server is gone, is not asked. */
static void look_at_descriptor(struct held *held, const char *directory, int at, const char *name)
{
	struct statx file;

	if (statx(at, name, AT_STATX_DONT_SYNC, STATX_BASIC_STATS | STATX_BTIME, &file))
		return;
	uint64_t device = makedev(file.stx_dev_major, file.stx_dev_minor);
	if (S_ISSOCK(file.stx_mode))
		things_add(&held->sockets, 0, file.stx_ino);
	else if (S_ISFIFO(file.stx_mode) && things_add(&held->files, device, file.stx_ino))
		look_at_pipe(held, directory, name, at, file.stx_uid);
	else if (device == held->namespaces)
		look_at_namespace(held, directory, name);
	else if (S_ISREG(file.stx_mode) || S_ISDIR(file.stx_mode)) {
		look_at_file_system(held, device, name, at);
		if (S_ISREG(file.stx_mode))
			look_at_file(held, &file, device, directory, name, at);
	}
}

/* The table of a process that is not dumpable can be listed by root alone: each descriptor is copied, looked at and closed
 * (pidfd_getfd(2), Linux 5.6), which the maker of its user namespace may. */
static bool look_at_copies(struct held *held, pid_t pid)
{
	char *path = xprintf("/proc/%d/status", pid);
	FILE *status = fopen(path, "re");
	char line[256], name[16];
	int size = 0, own = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int process = (int)syscall(SYS_pidfd_open, pid, 0);
	bool allowed = own >= 0 && process >= 0;

	free(path);
	while (status && fgets(line, sizeof line, status))
		sscanf(line, "FDSize: %d", &size);
	if (status)
		fclose(status);
	for (int fd = 0; allowed && fd < size && !look_is_late(); fd++) {
		int copy = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
		allowed = copy >= 0 || errno == EBADF;
		if (copy < 0)
			continue;
		snprintf(name, sizeof name, "%d", copy);
		look_at_descriptor(held, "/proc/self/fd", own, name);
		close(copy);
	}
	close_kept(process);
	close_kept(own);
	return allowed;
}

/* Examines the table of one process, or of one thread that has a table of its own. */
static void look_at_table(struct held *held, pid_t pid, const char *directory)
{
	DIR *listing = opendir(directory);
	const struct dirent *entry;

	if (!listing && errno == EACCES && !look_at_copies(held, pid))
		held->unseen |= 1U << WAY_MEMFD | 1U << WAY_PIPES | 1U << WAY_DELETED;
	while (listing && (entry = readdir(listing)) && !look_is_late())
		if (isdigit((unsigned char)entry->d_name[0]))
			look_at_descriptor(held, directory, dirfd(listing), entry->d_name);
	if (listing)
		closedir(listing);
}

void descriptors_look(struct held *held, pid_t pid)
{
	char *tasks = xprintf("/proc/%d/task", pid), *path = xprintf("/proc/%d/fd", pid);
	DIR *directory = opendir(tasks);
	const struct dirent *entry;

	look_at_table(held, pid, path);
	while (directory && (entry = readdir(directory))) {
		int thread = atoi(entry->d_name);
		/* one that has left its process's table (unshare(2), CLONE_FILES), or outlived its leader */
		if (thread <= 0 || thread == pid || syscall(SYS_kcmp, pid, thread, KCMP_FILES, 0, 0) == 0)
			continue;
		char *own = xprintf("%s/%d/fd", tasks, thread);
		look_at_table(held, thread, own);
		free(own);
	}
	if (directory)
		closedir(directory);
	free(path);
	free(tasks);
}
