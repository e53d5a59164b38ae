/* See mounts.h. */
#include "mounts.h"
#include "look.h"
#include "mountinfo.h"
#include "util.h"
#include "walk.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
	TMPFS_FILE_BYTES = 1024, /* an inode and a name of a tmpfs: some 0.9 KiB of the kernel's memory */
	MOST_MOUNTS = 10000,
};

struct mounted {
	uint64_t id, device;
	char *root, *place;
	bool memory, view;
};

/* The caller frees it. */
static char *unescaped(const char *text)
{
	char *plain = xmemdup(text, strlen(text) + 1);

	mountinfo_unescape(plain);
	return plain;
}

/* The mounts of the namespace that was entered; /proc is the node's. */
static struct mounted *read_mounts(int proc, size_t *count)
{
	int fd = openat(proc, "self/mountinfo", O_RDONLY | O_CLOEXEC);
	FILE *mounts = fd < 0 ? NULL : fdopen(fd, "r");
	struct mounted *list = NULL;
	char *line = NULL;
	size_t room = 0;

	*count = 0;
	while (mounts && getline(&line, &room, mounts) > 0 && *count < MOST_MOUNTS) {
		unsigned long long id;
		unsigned major_, minor_;
		int root_at = 0, root_end = 0, place_at = 0, place_end = 0;
		const char *type = strstr(line, " - ");
		if (!type || sscanf(line, "%llu %*s %u:%u %n%*s%n %n%*s%n", &id, &major_, &minor_,
				    &root_at, &root_end, &place_at, &place_end) != 3)
			continue;
		bool memory = !strncmp(type + 3, "tmpfs ", 6) || !strncmp(type + 3, "ramfs ", 6), view = !strncmp(type + 3, "overlay ", 8);
		line[root_end] = line[place_end] = 0;
		list = xrealloc(list, (*count + 1) * sizeof *list);
		list[(*count)++] = (struct mounted){
			id, makedev(major_, minor_), unescaped(line + root_at), unescaped(line + place_at), memory, view
		};
	}
	free(line);
	if (mounts)
		fclose(mounts);
	return list;
}

/* Whether the path leads to that file system, and to which file of it (NULL: not asked). */
static bool shows(const char *place, uint64_t device, uint64_t *inode)
{
	struct stat status;

	if (lstat(place, &status) || status.st_dev != device)
		return false;
	if (inode)
		*inode = status.st_ino;
	return true;
}

/* Examines a file system in memory. Without a limit (ramfs; tmpfs with size=0) it does not tell its usage. */
void mounts_look_at_memory(uint64_t device, const char *place)
{
	struct found found = { .what = FOUND_TMPFS, .number = device };
	struct statfs system;

	if (statfs(place, &system) || (system.f_type != TMPFS_MAGIC && system.f_type != RAMFS_MAGIC))
		return;
	found.bytes = (long long)(system.f_blocks - system.f_bfree) * system.f_bsize;
	found.files = (long long)(system.f_files - system.f_ffree);
	if (!system.f_blocks || !system.f_files) {
		long long bytes = 0, files = 0;
		int fd = open(place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 || !walk_tree(fd, &bytes, &files))
			look_report_unseen(WAY_TMPFS);
		found.bytes = system.f_blocks ? found.bytes : bytes;
		found.files = system.f_files ? found.files : files;
	}
	found.bytes += found.files * TMPFS_FILE_BYTES;
	look_report(found);
}

static bool is_in(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return !strncmp(path, directory, length) && (path[length] == '/' || !path[length] || (length == 1 && directory[0] == '/'));
}

/* Which mounts show a directory that is watched, or a part of it. */
static void report_watched(const struct held *held, const struct mounted *mounts, size_t count)
{
	uint64_t inode;

	for (size_t i = 0; i < count; i++) {
		if (mounts[i].view && !things_have(&held->devices, mounts[i].device, 0))
			look_report((struct found){ .what = FOUND_SHOWS, .number = mounts[i].id });
		if (!things_have(&held->scratch, 0, mounts[i].device) || !shows(mounts[i].place, mounts[i].device, &inode) ||
		    !things_have(&held->scratch, mounts[i].device, inode))
			continue;
		for (size_t k = 0; k < count; k++)
			if (mounts[k].device == mounts[i].device && is_in(mounts[k].root, mounts[i].root))
				look_report((struct found){ .what = FOUND_SHOWS, .number = mounts[k].id });
	}
}

/* Finds covered file systems: in a copy of the mounts it unmounts the upper ones, the last first, until each was on top. */
static void peel(const struct mounted *mounts, size_t count, struct things *wanted)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
		look_report_unseen(WAY_TMPFS);
		return;
	}
	size_t seen = 0;
	for (size_t i = count; i-- > 0 && !look_is_late();) {
		if (things_have(wanted, 0, mounts[i].device) && shows(mounts[i].place, mounts[i].device, NULL) &&
		    things_add(wanted, 1, mounts[i].device)) {
			mounts_look_at_memory(mounts[i].device, mounts[i].place);
			seen++;
		}
		if (strcmp(mounts[i].place, "/"))
			umount2(mounts[i].place, MNT_DETACH | UMOUNT_NOFOLLOW);
	}
	for (size_t i = 0; i < count; i++)
		if (things_have(wanted, 0, mounts[i].device) && !things_have(wanted, 1, mounts[i].device))
			look_report_unseen(WAY_TMPFS);
}

void mounts_look(struct held *held, int proc)
{
	struct things covered = { 0 };
	size_t count;
	struct mounted *mounts = read_mounts(proc, &count);

	report_watched(held, mounts, count);
	for (size_t i = 0; i < count; i++) {
		if (!mounts[i].memory || things_have(&held->devices, mounts[i].device, 0))
			continue;
		if (!shows(mounts[i].place, mounts[i].device, NULL))
			things_add(&covered, 0, mounts[i].device);
		else if (things_add(&held->devices, mounts[i].device, 0))
			mounts_look_at_memory(mounts[i].device, mounts[i].place);
	}
	bool any = false;
	for (size_t i = 0; i < count; i++)
		any = any || (things_have(&covered, 0, mounts[i].device) && !things_have(&held->devices, mounts[i].device, 0));
	if (any)
		peel(mounts, count, &covered);
}
