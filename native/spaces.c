/* See spaces.h. Each is entered by a child, after the user namespace that owns it, in which its maker has every right.
 * A child that hangs in a file system of the payload's takes no more than its own time. */
#include "spaces.h"
#include "buffers.h"
#include "look.h"
#include "mounts.h"
#include "namespaces.h"
#include "util.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEMAPHORE_BYTES = 64 }; /* a cache line each */

static const char *const SPACE_NAMES[KINDS] = { "mnt", "ipc", "net" };

static const int FLAGS[KINDS] = { CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWNET };
static const enum way WAYS_OF[KINDS] = { WAY_TMPFS, WAY_SYSV, WAY_SOCKETS };

void spaces_note_own(struct held *held)
{
	struct stat status;

	for (enum kind kind = 0; kind < KINDS; kind++) {
		char *path = xprintf("/proc/self/ns/%s", SPACE_NAMES[kind]);
		if (stat(path, &status) == 0) {
			things_add(&held->own, kind, status.st_ino);
			held->namespaces = status.st_dev;
		}
		free(path);
	}
}

void spaces_add(struct held *held, const char *path)
{
	char name[64];
	ssize_t length = readlink(path, name, sizeof name - 1);
	unsigned long long number;

	if (length < 0)
		return;
	name[length] = 0;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		size_t size = strlen(SPACE_NAMES[kind]);
		if (strncmp(name, SPACE_NAMES[kind], size) || sscanf(name + size, ":[%llu]", &number) != 1)
			continue;
		for (size_t i = 0; i < held->space_count; i++)
			if (held->spaces[i].kind == kind && held->spaces[i].number == number)
				return;
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return;
		held->spaces = xrealloc(held->spaces, (held->space_count + 1) * sizeof *held->spaces);
		held->spaces[held->space_count++] = (struct space){ kind, number, fd, false };
	}
}

void spaces_add_of(struct held *held, pid_t pid)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		char *path = xprintf("/proc/%d/ns/%s", pid, SPACE_NAMES[kind]);
		spaces_add(held, path);
		free(path);
	}
}

/* The user namespace that owns the one that is open, unless this process is in it. */
static bool enter_owner(int fd)
{
	int owner = ioctl(fd, NS_GET_USERNS);

	return owner >= 0 && (is_own_user_namespace(owner) || setns(owner, CLONE_NEWUSER) == 0);
}

/* Opens a table below `proc`; NULL, with errno. */
static FILE *open_table(int proc, const char *name)
{
	int fd = openat(proc, name, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? NULL : fdopen(fd, "r");
}

/* sysvipc(7): /proc/sysvipc shows the namespace of the process that opens it. */
static void look_at_ipc(int proc)
{
	FILE *segments = open_table(proc, "sysvipc/shm"), *queues = open_table(proc, "sysvipc/msg"),
	     *sets = open_table(proc, "sysvipc/sem");
	char line[512];
	unsigned long long id, bytes;

	if (!segments)
		look_report_unseen(WAY_SYSV);
	while (segments && fgets(line, sizeof line, segments))
		if (sscanf(line, "%*d %llu %*s %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %llu", &id, &bytes) == 2)
			look_report((struct found){ .what = FOUND_SEGMENT, .number = id, .bytes = (long long)bytes });
	while (queues && fgets(line, sizeof line, queues))
		if (sscanf(line, "%*d %*u %*s %llu", &bytes) == 1)
			look_report((struct found){ .what = FOUND_QUEUES, .bytes = (long long)bytes });
	while (sets && fgets(line, sizeof line, sets))
		if (sscanf(line, "%*d %*u %*s %llu", &bytes) == 1)
			look_report((struct found){ .what = FOUND_QUEUES, .bytes = (long long)bytes * SEMAPHORE_BYTES });
}

/* The child: enters the namespace, unless it is the node's own (`shared`), reports and exits. */
static _Noreturn void look_in(struct held *held, const struct space *space, bool shared)
{
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (!shared && (!enter_owner(space->fd) || setns(space->fd, FLAGS[space->kind])))
		look_report_unseen(WAYS_OF[space->kind]);
	else if (space->kind == OF_MOUNTS)
		mounts_look(held, proc);
	else if (space->kind == OF_IPC)
		look_at_ipc(proc);
	else
		buffers_look(held, shared);
	_exit(0);
}

/* Adds one finding of a child to what is known. */
static void take_found(struct held *held, const struct found *found)
{
	switch (found->what) {
	case FOUND_TMPFS:
		things_add(&held->devices, found->number, 0);
		if (things_add(&held->devices, found->number, 1))
			held->tmpfs += found->bytes;
		break;
	case FOUND_SHOWS:
		things_add(&held->mounted, 0, found->number);
		break;
	case FOUND_SEGMENT:
		held->sysv += found->bytes;
		things_add(&held->files, memfd_device(), found->number);
		break;
	case FOUND_QUEUES:
		held->queues += found->bytes;
		break;
	case FOUND_SOCKETS:
		held->sockets_bytes += found->bytes;
		break;
	case FOUND_UNSEEN:
		held->unseen |= 1U << found->number;
		break;
	case FOUND_TREE:
		break;
	}
}

/* Adds all findings of a child, and frees them. */
static void take_all(struct held *held, struct answer *answer, enum way way)
{
	if (!answer->whole)
		held->unseen |= 1U << way;
	for (size_t i = 0; i < answer->count; i++)
		take_found(held, &answer->list[i]);
	free(answer->list);
}

void spaces_look(struct held *held, enum kind kind)
{
	struct answer answer;

	for (size_t i = 0; i < held->space_count; i++) {
		struct space *space = &held->spaces[i];
		bool shared = things_have(&held->own, (uint64_t)kind, space->number);
		if (space->kind != kind || space->looked)
			continue;
		space->looked = true;
		/* files in memory and segments of the node belong to no box; sockets are known by their descriptors */
		if (shared && kind != OF_NETWORK) {
			held->unseen |= 1U << WAYS_OF[kind];
			continue;
		}
		if (look_in_child(&answer))
			look_in(held, space, shared);
		take_all(held, &answer, WAYS_OF[kind]);
	}
}

void spaces_look_at_file_system(struct held *held, uint64_t device, const char *path)
{
	struct answer answer;

	if (look_in_child(&answer)) {
		mounts_look_at_memory(device, path);
		_exit(0);
	}
	take_all(held, &answer, WAY_TMPFS);
}
