/* Enters the namespaces of a box: each by a child, after the user namespace that owns it, in which its maker has every right.
 * A child that hangs in a file system of the payload's takes no more than its own time. */
#include "held.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	SEMAPHORE_BYTES = 64, /* a cache line each */
	CHILD_US = 2000000,
};

static const int FLAGS[KINDS] = { CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWNET };
static const enum way WAYS_OF[KINDS] = { WAY_TMPFS, WAY_SYSV, WAY_SOCKETS };

static int to_parent;

void report(struct found found)
{
	write_all(to_parent, &found, sizeof found);
}

static bool is_own_user(int fd)
{
	struct stat one, own;

	return fstat(fd, &one) == 0 && stat("/proc/self/ns/user", &own) == 0 && one.st_ino == own.st_ino;
}

static bool enter_owner(int fd)
{
	int owner = ioctl(fd, NS_GET_USERNS);

	return owner >= 0 && (is_own_user(owner) || setns(owner, CLONE_NEWUSER) == 0);
}

struct answer {
	struct found *list;
	size_t count;
	bool whole;
};

/* Forks, and reads what the child reports until it ends or its time is up. True in the child. */
static bool in_child(struct answer *answer)
{
	long long until = monotonic_us() + CHILD_US;
	size_t bytes = 0, room = 0;
	int ends[2];

	*answer = (struct answer){ 0 };
	if (pipe2(ends, O_CLOEXEC))
		return false;
	pid_t child = fork();
	if (child == 0) {
		close(ends[0]);
		to_parent = ends[1];
		return true;
	}
	close(ends[1]);
	if (until > held_until)
		until = held_until;
	while (child > 0 && !answer->whole) {
		struct pollfd ready = { .fd = ends[0], .events = POLLIN };
		long long left = until - monotonic_us();
		if (left <= 0 || poll(&ready, 1, (int)(left / 1000) + 1) <= 0)
			break;
		if (bytes + 65536 > room)
			answer->list = xrealloc(answer->list, room += 131072);
		ssize_t n = read(ends[0], (char *)answer->list + bytes, 65536);
		answer->whole = n == 0;
		bytes += n > 0 ? (size_t)n : 0;
	}
	close(ends[0]);
	if (child > 0)
		kill(child, SIGKILL);
	/* one that waits for a file system of the payload's may not end: it is nobody's to wait for */
	for (int tries = 0; child > 0 && waitpid(child, NULL, WNOHANG) == 0 && tries < 20; tries++)
		usleep(500);
	answer->count = bytes / sizeof *answer->list;
	return false;
}

static FILE *open_table(int proc, const char *name)
{
	int fd = openat(proc, name, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? NULL : fdopen(fd, "r");
}

/* sysvipc(7): /proc/sysvipc shows the namespace of whoever opens it. */
static void look_at_ipc(int proc)
{
	FILE *segments = open_table(proc, "sysvipc/shm"), *queues = open_table(proc, "sysvipc/msg"), *sets = open_table(proc, "sysvipc/sem");
	char line[512];
	unsigned long long id, bytes;

	if (!segments)
		report((struct found){ .what = FOUND_UNSEEN, .number = WAY_SYSV });
	while (segments && fgets(line, sizeof line, segments))
		if (sscanf(line, "%*d %llu %*s %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %llu", &id, &bytes) == 2)
			report((struct found){ .what = FOUND_SEGMENT, .number = id, .bytes = (long long)bytes });
	while (queues && fgets(line, sizeof line, queues))
		if (sscanf(line, "%*d %*u %*s %llu", &bytes) == 1)
			report((struct found){ .what = FOUND_QUEUES, .bytes = (long long)bytes });
	while (sets && fgets(line, sizeof line, sets))
		if (sscanf(line, "%*d %*u %*s %llu", &bytes) == 1)
			report((struct found){ .what = FOUND_QUEUES, .bytes = (long long)bytes * SEMAPHORE_BYTES });
}

static _Noreturn void look_in(struct held *held, const struct space *space, bool shared)
{
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (!shared && (!enter_owner(space->fd) || setns(space->fd, FLAGS[space->kind])))
		report((struct found){ .what = FOUND_UNSEEN, .number = WAYS_OF[space->kind] });
	else if (space->kind == OF_MOUNTS)
		look_at_mounts(held, proc);
	else if (space->kind == OF_IPC)
		look_at_ipc(proc);
	else
		look_at_sockets(held, shared);
	_exit(0);
}

static void take(struct held *held, const struct found *found)
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

static void take_all(struct held *held, struct answer *answer, enum way way)
{
	if (!answer->whole)
		held->unseen |= 1U << way;
	for (size_t i = 0; i < answer->count; i++)
		take(held, &answer->list[i]);
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
		/* files in memory and segments of the node are nobody's in particular; sockets are known by their descriptors */
		if (shared && kind != OF_NETWORK) {
			held->unseen |= 1U << WAYS_OF[kind];
			continue;
		}
		if (in_child(&answer))
			look_in(held, space, shared);
		take_all(held, &answer, WAYS_OF[kind]);
	}
}

void spaces_look_at_file_system(struct held *held, uint64_t device, const char *path)
{
	struct answer answer;

	if (in_child(&answer)) {
		look_at_memory(device, path);
		_exit(0);
	}
	take_all(held, &answer, WAY_TMPFS);
}

/* A user namespace of our own, in which we have every right over files of our own. */
static bool own_rights(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	const char *files[] = { "/proc/self/setgroups", "/proc/self/uid_map", "/proc/self/gid_map" };
	char *texts[] = { xprintf("deny"), xprintf("%u %u 1", uid, uid), xprintf("%u %u 1", gid, gid) };

	if (unshare(CLONE_NEWUSER))
		return false;
	for (size_t i = 0; i < 3; i++) {
		int fd = open(files[i], O_WRONLY | O_CLOEXEC);
		bool written = fd >= 0 && write_all(fd, texts[i], strlen(texts[i]));
		if (fd >= 0)
			close(fd);
		if (!written)
			return false;
	}
	return true;
}

static _Noreturn void walk_locked(pid_t user_of, char *const *directories)
{
	char *path = xprintf("/proc/%d/ns/mnt", user_of);
	int fd = open(path, O_RDONLY | O_CLOEXEC), owner = fd < 0 ? -1 : ioctl(fd, NS_GET_USERNS);
	bool rights = geteuid() == 0 || (owner >= 0 && !is_own_user(owner) ? setns(owner, CLONE_NEWUSER) == 0 : own_rights());

	if (!rights)
		report((struct found){ .what = FOUND_UNSEEN, .number = WAY_LOCKED });
	for (; rights && *directories; directories++) {
		struct found found = { .what = FOUND_TREE };
		int directory = open(*directories, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (directory < 0 && errno == ENOENT)
			continue;
		if (directory < 0 || !walk_tree(directory, &found.bytes, &found.files))
			report((struct found){ .what = FOUND_UNSEEN, .number = WAY_LOCKED });
		report(found);
	}
	_exit(0);
}

bool locked_walk(pid_t user_of, char *const *directories, long long *bytes, long long *files)
{
	struct answer answer;

	if (in_child(&answer))
		walk_locked(user_of, directories);
	for (size_t i = 0; i < answer.count; i++) {
		answer.whole = answer.whole && answer.list[i].what == FOUND_TREE;
		*bytes += answer.list[i].bytes;
		*files += answer.list[i].files;
	}
	free(answer.list);
	return answer.whole;
}
