/* See machine_groups.h. The tree of groups is mounted nowhere, and its root is not seen from within: nothing in the box changes it. */
#include "machine_groups.h"
#include "util.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The root of the tree of version 2; -1: this kernel has none. */
static int open_tree_of_groups(void)
{
	int context = (int)syscall(SYS_fsopen, "cgroup2", FSOPEN_CLOEXEC), root = -1;

	if (context >= 0 && syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		root = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
	close_kept(context);
	return root;
}

static bool write_at(int directory, const char *name, const char *text)
{
	int fd = openat(directory, name, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close_kept(fd);
	return done;
}

bool machine_groups_limit(const char *processes)
{
	int root = open_tree_of_groups();
	bool done = root >= 0 && write_at(root, "cgroup.subtree_control", "+pids") && mkdirat(root, "box", 0755) == 0 &&
		    write_at(root, "box/pids.max", processes) && write_at(root, "box/cgroup.procs", "0") && unshare(CLONE_NEWCGROUP) == 0;

	close_kept(root);
	return done;
}
