/* See mount_tree.h. */
#include "mount_tree.h"
#include "util.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

int mount_tree_open(const char *path)
{
	return (int)syscall(SYS_open_tree, AT_FDCWD, path,
			    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_NO_AUTOMOUNT);
}

int mount_tree_open_alone(const char *path)
{
	return (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
}

bool mount_tree_attach(int tree, const char *path)
{
	return syscall(SYS_move_mount, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) == 0;
}

bool mount_tree_attach_at(int tree, int place)
{
	return syscall(SYS_move_mount, tree, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0;
}

bool mount_tree_read_only(int tree, bool bare)
{
	struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY | (bare ? MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV : 0) };

	return syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes) == 0;
}

bool mount_tree_shift(int tree, int user_namespace)
{
	struct mount_attr attributes = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned)user_namespace };

	return syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes) == 0;
}

int mount_tree_of_proc(void)
{
	const unsigned flags = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	int context = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);
	bool made = context >= 0 && syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0;
	int tree = made ? (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, flags) : -1;

	close_kept(context);
	return tree;
}
