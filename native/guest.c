/* See guest.h. The kernel's rules are in pid_namespaces(7), cgroup_namespaces(7), user_namespaces(7) and capabilities(7). */
#include "guest.h"
#include "capabilities.h"
#include "generated/protocol.h"
#include "reap.h"
#include "util.h"
#include "namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* statvfs(3) has them under the numbers of mount(2). */
enum { KEPT_FLAGS = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME };

/* Namespaces in the order in which they are entered; the first one holds for children only. */
static const char *const namespace_files[GUEST_NAMESPACES] = { "pid", "cgroup", "mnt" };

/* Appends the path, which must stay. */
static void list_path(const char ***paths, size_t *count, const char *path)
{
	*paths = xrealloc(*paths, (*count + 1) * sizeof **paths);
	(*paths)[(*count)++] = path;
}

/* Loads `uid gid`. */
static bool load_nested(struct guest *guest, const char *text)
{
	char uid_text[16], gid_text[16], more;
	long uid, gid;

	if (sscanf(text, "%15[0-9] %15[0-9]%c", uid_text, gid_text, &more) != 2 || !parse_number(uid_text, 0, 0xfffffffeL, &uid) ||
	    !parse_number(gid_text, 0, 0xfffffffeL, &gid))
		return false;
	guest->nested = true;
	guest->uid = (uid_t)uid;
	guest->gid = (gid_t)gid;
	return true;
}

/* Loads a hexadecimal mask. */
static bool load_capabilities(struct guest *guest, const char *text)
{
	size_t digits = strspn(text, "0123456789abcdef");

	guest->bounded = true;
	guest->capabilities = strtoull(text, NULL, 16);
	return digits > 0 && digits <= 16 && !text[digits];
}

bool guest_load(struct guest *guest, char key, const char *text)
{
	switch (key) {
	case KEY_PAYLOAD_IDENTITY:
		return identity_parse(&guest->identity, text);
	case KEY_USER_NAMESPACE:
		return load_nested(guest, text);
	case KEY_CAPABILITIES:
		return load_capabilities(guest, text);
	case KEY_FIRST_PROCESS:
		guest->first = true;
		return true;
	case KEY_OWN_GROUPS:
		guest->own_groups = true;
		return true;
	case KEY_GROUPS_MOUNT:
		guest->groups_at = text;
		return true;
	case KEY_MASKED:
		list_path(&guest->masked, &guest->masked_count, text);
		return true;
	case KEY_READ_ONLY:
		list_path(&guest->read_only, &guest->read_only_count, text);
		return true;
	case KEY_WRITABLE_AGAIN:
		list_path(&guest->writable, &guest->writable_count, text);
		return true;
	case KEY_GUEST_OF:
		return parse_number(text, 0, 1L << 20, &guest->host);
	default:
		return false;
	}
}

void guest_single(struct guest *guest)
{
	if (!guest->first)
		return;
	guest->apart = guest->bounded = true;
	guest->capabilities = 0;
	guest->uid = geteuid();
	guest->gid = getegid();
}

/* Whether a process has executed: before, not all of its namespaces are its own. */
static bool has_executed(pid_t process)
{
	struct stat own, other;
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/exe", process);
	if (stat("/proc/self/exe", &own) || stat(path, &other))
		return false;
	errno = EAGAIN;
	return own.st_dev != other.st_dev || own.st_ino != other.st_ino;
}

/* -1: it is this process's too. Joining that again would take rights over it, which root of a user namespace need not have. */
static bool open_namespace(int *namespace, pid_t process, const char *name)
{
	struct stat own, other;
	char path[64];

	snprintf(path, sizeof path, "/proc/self/ns/%s", name);
	if (stat(path, &own))
		return false;
	snprintf(path, sizeof path, "/proc/%d/ns/%s", process, name);
	*namespace = open(path, O_RDONLY | O_CLOEXEC);
	if (*namespace < 0 || fstat(*namespace, &other))
		return false;
	if (own.st_dev == other.st_dev && own.st_ino == other.st_ino) {
		close(*namespace);
		*namespace = -1;
	}
	return true;
}

/* All are opened before any is entered: afterwards the process is called otherwise. */
static bool open_namespaces(struct guest *guest, pid_t keeper, const char **what)
{
	pid_t process = keeper > 0 ? child_of(keeper) : 0;

	*what = "the system's process";
	errno = ESRCH;
	if (process <= 0 || !has_executed(process))
		return false;
	for (int i = 0; i < GUEST_NAMESPACES; i++)
		if (!open_namespace(&guest->namespaces[i], process, namespace_files[i]))
			return false;
	/* else they may be those of another that got its number */
	errno = ESRCH;
	return child_of(keeper) == process;
}

bool guest_prepare(struct guest *guest, pid_t keeper, const char **what)
{
	*what = "PID namespace";
	if (guest->apart)
		return true;
	if (guest->first)
		return unshare(CLONE_NEWPID) == 0;
	if (guest->host < 0)
		return true;
	return open_namespaces(guest, keeper, what) && setns(guest->namespaces[0], CLONE_NEWPID) == 0;
}

pid_t guest_fork(const struct guest *guest)
{
	return guest->apart ? fork_apart() : fork();
}

void guest_release(const struct guest *guest)
{
	for (int i = 0; guest->host >= 0 && i < GUEST_NAMESPACES; i++)
		close_kept(guest->namespaces[i]);
}

/* A file shows nothing, a directory is empty. What the kernel does not have needs no cover. */
static bool mask(const char *path)
{
	struct stat found;

	if (stat(path, &found))
		return errno == ENOENT;
	if (S_ISDIR(found.st_mode))
		return mount("tmpfs", path, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,mode=0555") == 0;
	return mount("/dev/null", path, NULL, MS_BIND, NULL) == 0;
}

static bool make_read_only(const char *path)
{
	const unsigned long flags = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (access(path, F_OK))
		return errno == ENOENT;
	return mount(path, path, NULL, MS_BIND | MS_REC, NULL) == 0 && mount(NULL, path, NULL, flags, NULL) == 0;
}

/* Makes a cgroup namespace whose root is the own group, and mounts the hierarchy, which shows that group and all below it. */
static bool enter_groups(const struct guest *guest, const char **what)
{
	*what = "cgroup namespace";
	if (guest->own_groups && unshare(CLONE_NEWCGROUP))
		return false;
	*what = guest->groups_at;
	return !guest->groups_at || mount("cgroup2", guest->groups_at, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0;
}

/* Sets up mounts, /proc and cgroups for process 1 of a system. False, with errno and `what`. */
static bool be_first(const struct guest *guest, const char **what)
{
	*what = "user namespace";
	if (guest->apart) {
		/* else /proc/self is root's; the exec does it anyway */
		prctl(PR_SET_DUMPABLE, 1);
		if (!user_namespace_map(guest->uid, guest->gid, guest->uid, guest->gid))
			return false;
	}
	*what = "mount namespace";
	if (!own_mounts())
		return false;
	*what = "/proc";
	if (!replace_proc() || !enter_groups(guest, what))
		return false;
	for (size_t i = 0; i < guest->read_only_count; i++) {
		*what = guest->read_only[i];
		if (!make_read_only(*what))
			return false;
	}
	for (size_t i = 0; i < guest->masked_count; i++) {
		*what = guest->masked[i];
		if (!mask(*what))
			return false;
	}
	*what = "/";
	return chdir("/") == 0;
}

/* An init clears what it finds in /tmp and elsewhere when it boots: what is a job's it could not touch until now. */
static bool make_writable(const char *path)
{
	struct statvfs now;

	if (statvfs(path, &now))
		return false;
	/* all other flags stay: some cannot be taken away */
	return mount(NULL, path, NULL, (now.f_flag & ~(unsigned long)ST_RDONLY & KEPT_FLAGS) | MS_BIND | MS_REMOUNT, NULL) == 0;
}

bool guest_enter(const struct guest *guest, const char **what)
{
	if (guest->first)
		return be_first(guest, what);
	for (int i = 1; guest->host >= 0 && i < GUEST_NAMESPACES; i++) {
		*what = namespace_files[i];
		if (guest->namespaces[i] >= 0 && setns(guest->namespaces[i], 0))
			return false;
	}
	for (size_t i = 0; i < guest->writable_count; i++) {
		*what = guest->writable[i];
		if (!make_writable(*what))
			return false;
	}
	/* before others can look into this process */
	guest_release(guest);
	return true;
}

bool guest_become(const struct guest *guest, const char **what)
{
	/* with the rights that are given up next; in a user namespace of its own there are new ones */
	*what = "capabilities";
	if (guest->bounded && !guest->nested && !bound_set(guest->capabilities))
		return false;
	if (!identity_take(&guest->identity, what))
		return false;
	if (guest->nested) {
		*what = "user namespace";
		/* else /proc/self is root's; the exec does it anyway */
		prctl(PR_SET_DUMPABLE, 1);
		if (!user_namespace(guest->uid, guest->gid))
			return false;
	}
	*what = "capabilities";
	return !guest->bounded || !guest->nested || bound_set(guest->capabilities);
}

bool guest_give_up(const struct guest *guest, const char **what)
{
	*what = "capabilities";
	return !guest->bounded || bound_capabilities(guest->capabilities);
}
