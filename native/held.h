/* What a box holds that no resident set shows: what was found of it so far. */
#pragma once

#include "things.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

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
	struct things
		devices; /* device, 0: of file systems that the node has mounted, or that were looked at; device, 1: that are counted */
	struct things files; /* memfds, segments and pipes that were counted */
	struct things sockets; /* 0, inode: those with a descriptor */
	struct things scratch; /* of the directories that are watched; and 0, device: their file systems */
	struct things mounted; /* 0, mount: what shows a directory that is watched */
	char *const *watched; /* directories of scratch, NULL-terminated */
	long long tmpfs, memfd, sysv, queues, sockets_bytes, pipes, tables, mapped;
	unsigned unseen; /* 1 << way (look.h) */
};

/* The device on which memfds and shared mappings have their files. */
uint64_t memfd_device(void);
/* The same for memfd_secret(2). Such files report no blocks, so pages that were never touched count too. */
uint64_t secret_device(void);
