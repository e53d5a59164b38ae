/* See namespaces.h, mount_namespaces(7) and user_namespaces(7). */
#include "namespaces.h"
#include "mount_tree.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool written = fd >= 0 && write_all(fd, text, strlen(text));
	close_kept(fd);
	return written;
}

bool user_namespace_map(uid_t uid, gid_t gid, uid_t outer_uid, gid_t outer_gid)
{
	char *uids = xprintf("%u %u 1", uid, outer_uid), *gids = xprintf("%u %u 1", gid, outer_gid);
	bool done = write_file("/proc/self/setgroups", "deny") && write_file("/proc/self/uid_map", uids) &&
		    write_file("/proc/self/gid_map", gids);

	free(uids);
	free(gids);
	return done;
}

bool user_namespace(uid_t uid, gid_t gid)
{
	uid_t outer_uid = geteuid();
	gid_t outer_gid = getegid();

	return unshare(CLONE_NEWUSER) == 0 && user_namespace_map(uid, gid, outer_uid, outer_gid);
}

pid_t fork_apart(void)
{
	/* clone(2): without a stack both go on as after fork(2) */
	return (pid_t)syscall(SYS_clone, (unsigned long)(CLONE_NEWUSER | CLONE_NEWPID | SIGCHLD), NULL, NULL, NULL, NULL);
}

bool is_own_user_namespace(int fd)
{
	struct stat one, own;

	return fstat(fd, &one) == 0 && stat("/proc/self/ns/user", &own) == 0 && one.st_ino == own.st_ino;
}

bool own_mounts(void)
{
	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) == 0;
}

bool mounts_join(pid_t pid)
{
	char *user_path = xprintf("/proc/%d/ns/user", pid), *mounts_path = xprintf("/proc/%d/ns/mnt", pid);
	int user = open(user_path, O_RDONLY | O_CLOEXEC), mounts = open(mounts_path, O_RDONLY | O_CLOEXEC);
	struct stat theirs, ours;
	bool joined = user >= 0 && mounts >= 0 && fstat(user, &theirs) == 0 && stat("/proc/self/ns/user", &ours) == 0 &&
		      (theirs.st_ino == ours.st_ino || setns(user, CLONE_NEWUSER) == 0) && setns(mounts, CLONE_NEWNS) == 0;

	close_kept(user);
	close_kept(mounts);
	int error = errno;
	free(user_path);
	free(mounts_path);
	errno = error;
	return joined;
}

bool change_root(const char *source)
{
	return chdir(source) == 0 && syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
}

bool replace_proc(void)
{
	int made = mount_tree_of_proc();

	if (made < 0 && errno == ENOSYS) /* over the other */
		return mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0;
	while (made >= 0 && umount2("/proc", MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		; /* until it is no mount any more, or one that is locked: then over it */
	bool attached = made >= 0 && mount_tree_attach(made, "/proc");
	close_kept(made);
	return attached;
}
