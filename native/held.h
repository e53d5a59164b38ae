/* What a box holds that no resident set shows. */
#ifndef TARE_HELD_H
#define TARE_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A set of things that are named by two numbers: a file by its device and inode. */
struct things {
	struct thing {
		uint64_t device, number;
	} *items;
	size_t count, room;
};

/* False when it was there already. */
bool things_add(struct things *things, uint64_t device, uint64_t number);
bool things_have(const struct things *things, uint64_t device, uint64_t number);

enum {
	BLOCK_UNIT = 512, /* stat(2), st_blocks */
};

enum kind { OF_MOUNTS, OF_IPC, OF_NETWORK, KINDS };

/* A namespace of the box's, by something that opens it. */
struct space {
	enum kind kind;
	uint64_t number;
	int fd;
	bool looked;
};

struct held {
	pid_t *processes;
	size_t process_count;
	struct space *spaces;
	size_t space_count;
	uint64_t namespaces; /* the device that files of namespaces are on */
	struct things own; /* kind, inode: namespaces that this process is in */
	struct things devices; /* device, 0: of file systems that the node has mounted, or that were looked at; device, 1: that are counted */
	struct things files; /* memfds, segments and pipes that were counted */
	struct things sockets; /* 0, inode: those with a descriptor */
	struct things scratch; /* of the directories that are watched; and 0, device: their file systems */
	struct things mounted; /* 0, mount: what shows a directory that is watched */
	char *const *watched; /* directories of scratch, NULL-terminated */
	long long tmpfs, memfd, sysv, queues, sockets_bytes, pipes, tables, mapped;
	unsigned unseen; /* 1 << way */
};

/* What could not be looked at. The names are in held.c. */
enum way { WAY_TMPFS, WAY_MEMFD, WAY_SYSV, WAY_SOCKETS, WAY_PIPES, WAY_TABLES, WAY_DELETED, WAY_LOCKED, WAYS };

/* Where memfds and shared mappings have their files. */
uint64_t memfd_device(void);

/* Descriptors of one process, or of one thread that has a table of its own. */
void descriptors_look(struct held *held, pid_t pid, const char *directory);

/* Mounts, IPC objects or sockets of the namespaces that were found. */
void spaces_look(struct held *held, enum kind kind);
void spaces_add(struct held *held, const char *path);

/* A file system that no mount of the box's shows: what it holds, if it is one in memory. */
void spaces_look_at_file_system(struct held *held, uint64_t device, const char *path);

/* Space, in bytes, and number of the files in a directory that is locked to its owner, with rights over files of its own
 * that a user namespace gives: the one that owns `user_of`, a process of the box's, or a new one. False: no such rights. */
bool locked_walk(pid_t user_of, char *const *directories, long long *bytes, long long *files);

/* What follows runs in a child, which can hang in a file system of the payload's, and reports what it finds to its parent. */
struct found {
	enum { FOUND_TMPFS, FOUND_SHOWS, FOUND_SEGMENT, FOUND_QUEUES, FOUND_SOCKETS, FOUND_TREE, FOUND_UNSEEN } what;
	uint64_t number;
	long long bytes, files;
};
void report(struct found found);

/* In the namespace that the child has entered; `proc` is the node's /proc. */
void look_at_mounts(struct held *held, int proc);
void look_at_memory(uint64_t device, const char *place);

/* `shared`: in the node's own namespace, where only sockets count that a process of the box has a descriptor of. */
void look_at_sockets(const struct held *held, bool shared);

/* Adds up a tree, which others change meanwhile. Follows no link, and leaves its file system never. False: not all of it could be read. */
bool walk_tree(int directory, long long *bytes, long long *files);

/* CLOCK_MONOTONIC, in microseconds: when all looking is to end. */
extern long long held_until;
bool is_late(void);

/* The role `tare-held` (README, Tools). */
int held_main(int argc, char **argv);

#endif
