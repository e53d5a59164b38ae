/* See view.h. The kernel's rules are in filesystems/overlayfs, mount_namespaces(7) and user_namespaces(7). */
#include "view.h"
#include "identity.h"
#include "mounter.h"
#include "mountinfo.h"
#include "util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

/* sys/mount.h and linux/mount.h cannot both be had with every C library. */
#define BIND_SLAVE (MS_SLAVE | MS_REC)
int mount(const char *, const char *, const char *, unsigned long, const void *);
int umount2(const char *, int);
enum { DETACH = 2, NO_LINK = 8 };

enum {
	LOOP_TRIES = 64, /* a free device can be taken by another before we have it */
	TAKE_FAILED = 128, /* an exit status is a descriptor below it, an error above */
	FUSE_TRIES = 2500, /* of 2 ms */
	FUSE_MAGIC = 0x65735546,
};

static int open_tree_of(const char *path)
{
	/* an automount stays asleep */
	return (int)syscall(SYS_open_tree, AT_FDCWD, path,
			    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_NO_AUTOMOUNT);
}

static bool attach_tree(int tree, const char *path)
{
	return syscall(SYS_move_mount, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) == 0;
}

static bool change_root(const char *source)
{
	return chdir(source) == 0 && syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", DETACH) == 0 && chdir("/") == 0;
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool written = fd >= 0 && write_all(fd, text, strlen(text));
	close_kept(fd);
	return written;
}

/* One user and one group, who are the caller outside. */
static bool map_self(uid_t uid, gid_t gid, uid_t outer_uid, gid_t outer_gid)
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

	return unshare(CLONE_NEWUSER) == 0 && map_self(uid, gid, outer_uid, outer_gid);
}

bool own_mounts(void)
{
	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, BIND_SLAVE, NULL) == 0;
}

static bool new_namespaces(bool user)
{
	return (!user || user_namespace(geteuid(), getegid())) && own_mounts();
}

static bool op_namespace(char *const *words)
{
	return new_namespaces(!strcmp(words[1], "user"));
}

/* newuidmap(1), newgidmap(1): setuid programs that let a user map what /etc/subuid and /etc/subgid give it. */
static bool map_ids(const char *program, pid_t pid, unsigned outer, const char *start, const char *count)
{
	char *process = xprintf("%d", pid), *self = xprintf("%u", outer);
	char *argv[] = { (char *)program, process, (char *)"0", self, (char *)"1", (char *)"1", (char *)start, (char *)count, NULL };

	if (!strcmp(count, "0"))
		argv[5] = NULL;
	execv(program, argv);
	free(process);
	free(self);
	return false;
}

static bool await_child(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	errno = EPERM;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Uid and gid 0 are the caller, and those from 1 on are its subordinate ones. Another process has to write the maps. */
static bool op_root(char *const *words)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	pid_t self = getpid();
	int made[2];
	char word;

	if (!strcmp(words[2], "0") && !strcmp(words[4], "0"))
		return user_namespace(0, 0) && own_mounts();
	if (pipe2(made, O_CLOEXEC))
		return false;
	pid_t mapper = fork();
	if (mapper == 0) {
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		close(made[1]);
		if (read(made[0], &word, 1) != 1)
			_exit(1);
		pid_t groups = fork();
		if (groups == 0) {
			map_ids("/usr/bin/newgidmap", self, gid, words[3], words[4]);
			_exit(1);
		}
		if (groups < 0 || !await_child(groups))
			_exit(1);
		map_ids("/usr/bin/newuidmap", self, uid, words[1], words[2]);
		_exit(1);
	}
	close(made[0]);
	prctl(PR_SET_DUMPABLE, 1);
	bool apart = mapper > 0 && unshare(CLONE_NEWUSER) == 0;
	int error = errno;
	bool told = apart && write(made[1], "m", 1) == 1;
	close(made[1]);
	bool mapped = mapper > 0 && await_child(mapper) && told;
	if (!apart)
		errno = error;
	/* the maps name who is root now */
	return mapped && setgid(0) == 0 && setuid(0) == 0 && own_mounts();
}

/* A process that is in a user namespace with these maps, until its end of the pipe is closed; -1: it cannot be had. */
static pid_t namespace_holder(const char *uids, const char *gids, int *release)
{
	int begun[2], end[2];
	char word;

	if (pipe2(begun, O_CLOEXEC))
		return -1;
	if (pipe2(end, O_CLOEXEC)) {
		close_kept(begun[0]);
		close_kept(begun[1]);
		return -1;
	}
	pid_t holder = fork();
	if (holder == 0) {
		close(end[1]);
		if (unshare(CLONE_NEWUSER) == 0 && write(begun[1], "n", 1) == 1 && read(end[0], &word, 1) >= 0)
			_exit(0);
		_exit(1);
	}
	close_kept(begun[1]);
	close_kept(end[0]);
	char *uid_map = xprintf("/proc/%d/uid_map", holder), *gid_map = xprintf("/proc/%d/gid_map", holder);
	bool made = holder > 0 && read(begun[0], &word, 1) == 1 && write_file(uid_map, uids) && write_file(gid_map, gids);
	close_kept(begun[0]);
	free(uid_map);
	free(gid_map);
	*release = end[1];
	if (made)
		return holder;
	close_kept(end[1]);
	if (holder > 0)
		await_child(holder);
	errno = EPERM;
	return -1;
}

/* SOURCE, with what is mounted below it left out, at DIRECTORY with the owners that a user namespace with these maps has for its files. */
static bool op_shift(char *const *words)
{
	int release, tree = (int)syscall(SYS_open_tree, AT_FDCWD, words[1], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return false;
	pid_t holder = namespace_holder(words[3], words[4], &release);
	if (holder < 0) {
		close_kept(tree);
		return false;
	}
	char *path = xprintf("/proc/%d/ns/user", holder);
	int namespace = open(path, O_RDONLY | O_CLOEXEC);
	struct mount_attr attributes = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned)namespace };
	bool done = namespace >= 0 && syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes) == 0 &&
		    attach_tree(tree, words[2]);
	int error = errno;
	close_kept(namespace);
	close_kept(release);
	close_kept(tree);
	free(path);
	await_child(holder);
	errno = error;
	return done;
}

/* FILE becomes a file system at DIRECTORY; the device is gone with its last mount. */
static bool configure_loop(int device, int file)
{
	struct loop_config config = { .fd = (unsigned)file, .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	struct loop_info64 info = { .lo_flags = LO_FLAGS_AUTOCLEAR };

	if (ioctl(device, LOOP_CONFIGURE, &config) == 0)
		return true;
	if (errno != EINVAL && errno != ENOTTY) /* Linux 5.8 */
		return false;
	if (ioctl(device, LOOP_SET_FD, file))
		return false;
	if (ioctl(device, LOOP_SET_STATUS64, &info) == 0)
		return true;
	int error = errno;
	ioctl(device, LOOP_CLR_FD, 0);
	errno = error;
	return false;
}

static int open_loop(int file, char *name, size_t size)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), device = -1;

	for (int tries = 0; control >= 0 && device < 0 && tries < LOOP_TRIES; tries++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);
		if (number < 0)
			break;
		snprintf(name, size, "/dev/loop%d", number);
		device = open(name, O_RDWR | O_CLOEXEC);
		if (device < 0)
			break;
		if (!configure_loop(device, file)) {
			close_kept(device);
			device = -1;
			if (errno != EBUSY)
				break;
		}
	}
	close_kept(control);
	return device;
}

static bool op_loop(char *const *words)
{
	char name[32];
	int file = open(words[1], O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	int device = file < 0 ? -1 : open_loop(file, name, sizeof name);
	/* nothing of it is to outlast the box: no barriers, and no thread that writes empty inode tables */
	bool mounted = device >= 0 && mount(name, words[2], "ext4", MS_NOSUID | MS_NODEV, "nobarrier,noinit_itable") == 0 &&
		       chmod(words[2], 0711) == 0;
	close_kept(device);
	close_kept(file);
	return mounted;
}

static bool op_tmpfs(char *const *words)
{
	char *data = xprintf("mode=0711,size=%s", words[2]);
	bool mounted = mount("tmpfs", words[1], "tmpfs", MS_NOSUID | MS_NODEV, data) == 0;

	free(data);
	return mounted;
}

static bool op_directory(char *const *words)
{
	long mode = strtol(words[2], NULL, 8), uid = -1, gid = -1;

	if (mkdir(words[1], 0700))
		return false;
	if (*words[3] && (!parse_number(words[3], 0, 0xfffffffeL, &uid) || !parse_number(words[4], 0, 0xfffffffeL, &gid))) {
		errno = EINVAL;
		return false;
	}
	return chown(words[1], (uid_t)uid, (gid_t)gid) == 0 && chmod(words[1], (mode_t)mode) == 0;
}

/* The upper directory stands for the lower one: owner and mode, as far as this process may. Where it may not, its own
 * access stays what it was, since it becomes the owner. */
static bool mirror(int lower, int upper)
{
	struct stat wanted, found;

	if (fstat(lower, &wanted) || fstat(upper, &found))
		return false;
	mode_t mode = wanted.st_mode & 01777;
	if (wanted.st_uid != found.st_uid || wanted.st_gid != found.st_gid) {
		if (fchown(upper, wanted.st_uid, wanted.st_gid) == 0)
			return fchmod(upper, wanted.st_mode & 07777) == 0;
		if (wanted.st_uid != found.st_uid) {
			mode_t access = wanted.st_gid == getegid() ? (mode >> 3) & 7 : mode & 7;
			mode = (mode & 01077) | access << 6;
		}
	}
	return fchmod(upper, mode) == 0;
}

/* For the option text, in which some characters separate. */
static char *layer(const char *path, int fd)
{
	return strpbrk(path, "\\,:") ? xprintf("/proc/self/fd/%d", fd) : xprintf("%s", path);
}

struct layers {
	int lower, upper, work;
	char *text; /* lowerdir=…,upperdir=…,workdir=… */
};

static void layers_close(struct layers *layers)
{
	int error = errno;

	close_kept(layers->lower);
	close_kept(layers->upper);
	close_kept(layers->work);
	free(layers->text);
	errno = error;
}

static bool layers_open(struct layers *layers, const char *lower, const char *upper, const char *work)
{
	*layers = (struct layers){ -1, -1, -1, NULL };
	if ((layers->lower = open(lower, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    (layers->upper = open(upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0 ||
	    (layers->work = open(work, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0 ||
	    !mirror(layers->lower, layers->upper)) {
		layers_close(layers);
		return false;
	}
	char *low = layer(lower, layers->lower), *up = layer(upper, layers->upper), *busy = layer(work, layers->work);
	layers->text = xprintf("lowerdir=%s,upperdir=%s,workdir=%s", low, up, busy);
	free(low);
	free(up);
	free(busy);
	return true;
}

static bool op_overlay(char *const *words)
{
	struct layers layers;

	if (!layers_open(&layers, words[1], words[2], words[3]))
		return false;
	char *data = xprintf("%s%s%s", layers.text, *words[5] ? "," : "", words[5]);
	bool mounted = mount("overlay", words[4], "overlay", MS_NOSUID | MS_NODEV, data) == 0;
	free(data);
	layers_close(&layers);
	return mounted;
}

/* The file system in a file that nobody writes to: its device is read-only as the file is opened so. */
static bool mount_squashfs(const char *path, const char *directory)
{
	char name[32];
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int device = file < 0 ? -1 : open_loop(file, name, sizeof name);
	bool mounted = device >= 0 && mount(name, directory, "squashfs", MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) == 0;
	close_kept(device);
	close_kept(file);
	return mounted;
}

/* What this process may in its user namespace, a program that it executes may too. */
static bool hand_capabilities_on(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return false;
	data[0].inheritable = data[0].permitted;
	data[1].inheritable = data[1].permitted;
	if (syscall(SYS_capset, &header, data))
		return false;
	for (int capability = 0; capability < 64; capability++)
		prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
	return true;
}

/* Without a source the options name what is served. */
static _Noreturn void serve_fuse(const char *program, const char *options, const char *source, const char *destination,
				 pid_t parent)
{
	char *const argv[] = { (char *)program, (char *)"-f", (char *)"-o", (char *)options,
			       (char *)(source ? source : destination), source ? (char *)destination : NULL, NULL };
	char *const environment[] = { NULL };

	/* with whoever becomes the engine: else it would keep its own mount, and that it */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent && hand_capabilities_on())
		execve(program, argv, environment);
	_exit(EXIT_WRAPPER);
}

static pid_t start_fuse(const char *program, const char *options, const char *source, const char *destination)
{
	pid_t self = getpid();
	pid_t pid = fork();

	if (pid == 0)
		serve_fuse(program, options, source, destination, self);
	return pid;
}

static bool is_served(const char *destination)
{
	struct statfs found;

	return statfs(destination, &found) == 0 && (unsigned)found.f_type == FUSE_MAGIC;
}

/* Until the program serves the directory, or has ended. */
static bool await_fuse(pid_t pid, const char *directory)
{
	bool served = false;

	errno = ETIMEDOUT;
	for (int tries = 0; pid > 0 && !served && tries < FUSE_TRIES; tries++) {
		if (waitpid(pid, NULL, WNOHANG) != 0) {
			errno = ECHILD;
			break;
		}
		served = is_served(directory);
		if (!served)
			usleep(2000);
	}
	return served;
}

static bool op_fuse(char *const *words)
{
	struct layers layers;

	if (!layers_open(&layers, words[1], words[2], words[3]))
		return false;
	bool served = await_fuse(start_fuse("/usr/bin/fuse-overlayfs", layers.text, NULL, words[4]), words[4]);
	layers_close(&layers);
	return served;
}

/* By the kernel, or by the program that is named. */
static bool op_squashfs(char *const *words)
{
	if (!*words[3])
		return mount_squashfs(words[1], words[2]);
	char *options = xprintf("ro,nosuid,nodev%s%s", *words[4] ? "," : "", words[4]);
	bool served = await_fuse(start_fuse(words[3], options, words[1], words[2]), words[2]);
	int error = errno;
	free(options);
	errno = error;
	return served;
}

/* With all that is mounted below it, read-only. */
static bool op_graft(char *const *words)
{
	struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };
	int tree = open_tree_of(words[1]);

	if (tree < 0)
		return false;
	bool attached = syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes) == 0 &&
			attach_tree(tree, words[2]);
	close_kept(tree);
	return attached;
}

/* What a mount has must stay: in a user namespace the kernel lets nobody take it away. */
static unsigned long mount_flags(char *options)
{
	static const struct {
		const char *name;
		unsigned long flag;
	} flags[] = { { "nosuid", MS_NOSUID }, { "nodev", MS_NODEV }, { "noexec", MS_NOEXEC }, { "noatime", MS_NOATIME },
		      { "nodiratime", MS_NODIRATIME }, { "relatime", MS_RELATIME } };
	unsigned long found = 0;

	for (char *word; (word = strsep(&options, ","));)
		for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
			if (!strcmp(word, flags[i].name))
				found |= flags[i].flag;
	return found;
}

/* One mount after another, before Linux 5.12. One below that cannot be reached is one that nobody in the box reaches. */
static bool remount_each(const char *top)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	size_t size = 0, length = strlen(top);
	char *line = NULL;
	bool done = mounts != NULL;

	while (done && getline(&line, &size, mounts) > 0) {
		char *rest = line, *point = NULL, *options = NULL;
		for (int word = 0; word < 6; word++) {
			char *next = strsep(&rest, " ");
			if (word == 4)
				point = next;
			options = next;
		}
		if (!point || !options)
			continue;
		mountinfo_unescape(point);
		if (strncmp(point, top, length) || (point[length] && point[length] != '/'))
			continue;
		unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | mount_flags(options);
		done = mount(NULL, point, NULL, flags, NULL) == 0 || (point[length] && (errno == EACCES || errno == EINVAL || errno == ENOENT));
	}
	int error = errno;
	free(line);
	if (mounts)
		fclose(mounts);
	errno = error;
	return done;
}

/* The mount that is open, with all below it. */
static bool read_only(int mounted)
{
	struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY };
	char *link = xprintf("/proc/self/fd/%d", mounted), path[4096];
	bool done = syscall(SYS_mount_setattr, mounted, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes) == 0;

	if (!done && errno == ENOSYS) {
		ssize_t size = readlink(link, path, sizeof path - 1);
		path[size > 0 ? size : 0] = 0;
		done = size > 0 && remount_each(path);
	}
	free(link);
	return done;
}

/* Paths that the job names are looked up with the rights of the job's user, who is `identity_take`n soon anyway. */
static bool look_as(const char *text)
{
	struct identity user = { 0 };

	if (!*text)
		return true;
	if (!identity_parse(&user, text)) {
		errno = EINVAL;
		return false;
	}
	bool done = syscall(SYS_setgroups, user.group_count, user.groups) == 0;
	syscall(SYS_setfsgid, user.gid);
	syscall(SYS_setfsuid, user.uid);
	free(user.groups);
	return done;
}

static void look_as_before(void)
{
	int error = errno;

	syscall(SYS_setfsgid, getegid());
	syscall(SYS_setfsuid, geteuid());
	errno = error;
}

/* Of a path below a directory no part is followed as a link: its owner could have put one there. */
static int open_below(const char *directory, const char *path)
{
	char *copy = xprintf("%s", path), *rest = copy;
	int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (char *name; fd >= 0 && (name = strsep(&rest, "/"));) {
		if (!*name)
			continue;
		int next = openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC | (rest ? O_DIRECTORY : 0));
		close_kept(fd);
		fd = next;
	}
	int error = errno;
	free(copy);
	errno = error;
	return fd;
}

static bool mount_at(const char *source, int target, const char *type, unsigned long flags, const char *data)
{
	char *to = xprintf("/proc/self/fd/%d", target);
	bool done = target >= 0 && mount(source, to, type, flags, data) == 0;
	int error = errno;

	free(to);
	errno = error;
	return done;
}

static bool bind_open(int source, int target)
{
	char *from = xprintf("/proc/self/fd/%d", source);
	bool done = source >= 0 && mount_at(from, target, NULL, MS_BIND | MS_REC, NULL);
	int error = errno;

	free(from);
	errno = error;
	return done;
}

/* SOURCE with all below it is at a place of the box's own: what is in its way for the engine is mounted there. */
static bool op_closed(char *const *words)
{
	if (!look_as(words[4]))
		return false;
	int source = open(words[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
	look_as_before();
	int at = source < 0 ? -1 : open(words[2], O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	bool done = at >= 0 && bind_open(source, at);

	if (done && !strcmp(words[3], "ro")) {
		int mounted = open(words[2], O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		done = mounted >= 0 && read_only(mounted);
		close_kept(mounted);
	}
	close_kept(at);
	close_kept(source);
	return done;
}

/* In it, at a path: a directory or a file of the node's, or a tmpfs that nobody writes to, of the mode that is its source. */
static bool op_inside(char *const *words)
{
	bool empty = !strcmp(words[1], "tmpfs"), done = false;

	if (!look_as(words[5]))
		return false;
	int source = empty ? -1 : open(words[2], O_PATH | O_CLOEXEC);
	int at = empty || source >= 0 ? open_below(words[3], words[4]) : -1;
	if (empty) {
		char *data = xprintf("mode=%s", words[2]);
		look_as_before();
		done = mount_at("tmpfs", at, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV, data);
		free(data);
	} else {
		done = bind_open(source, at);
		if (done && !strcmp(words[1], "ro")) {
			int mounted = open_below(words[3], words[4]);
			done = mounted >= 0 && read_only(mounted);
			close_kept(mounted);
		}
		look_as_before();
	}
	close_kept(at);
	close_kept(source);
	return done;
}

static int held[VIEW_HELD];
static size_t held_count;

/* Whoever unmounts what is not used, an automounter above all, finds it used until the box is gone. Only a mount is taken
 * in hand: its server is asked nothing. */
static bool op_hold(char *const *words)
{
	int fd;

	if (held_count == VIEW_HELD) {
		errno = EMFILE;
		return false;
	}
	fd = above_standard(open(words[1], O_PATH | O_DIRECTORY | O_CLOEXEC));
	if (fd >= 0)
		held[held_count++] = fd;
	return fd >= 0;
}

const int *view_held(size_t *count)
{
	*count = held_count;
	return held;
}

/* Mounts in hand, each with the name that it gets in the directory of all repositories. */
static struct taken {
	const char *name;
	int tree;
} taken[VIEW_HELD];
static size_t taken_count;

static bool take(const char *name, int tree)
{
	if (tree >= 0 && taken_count < VIEW_HELD) {
		taken[taken_count++] = (struct taken){ name, tree };
		return true;
	}
	if (tree >= 0)
		errno = EMFILE;
	return false;
}

/* A mount of another process's: a child goes there, and what it opens is open here too. Only a mount is taken in hand. */
static int open_tree_at(pid_t mounter, const char *path)
{
	int status;
	pid_t child = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);

	if (child == 0) {
		int tree = mounts_join(mounter) ? open_tree_of(path) : -1;
		_exit(tree < 0 ? TAKE_FAILED + (errno < TAKE_FAILED ? errno : 0) : tree < TAKE_FAILED ? tree : TAKE_FAILED + EMFILE);
	}
	if (child < 0)
		return -1;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	if (WIFEXITED(status) && WEXITSTATUS(status) < TAKE_FAILED)
		return WEXITSTATUS(status);
	errno = WIFEXITED(status) ? WEXITSTATUS(status) - TAKE_FAILED : ECANCELED;
	return -1;
}

static bool op_take(char *const *words)
{
	long mounter;

	if (!parse_number(words[1], 1, 1L << 30, &mounter)) {
		errno = EINVAL;
		return false;
	}
	return take(words[3], open_tree_at((pid_t)mounter, words[2]));
}

/* What the node has there itself, with all below it. */
static bool op_retain(char *const *words)
{
	return take(words[2], open_tree_of(words[1]));
}

/* The entries of the root directory as they are, but in a file system of this process's, in which more can be made. Where it is put
 * together is free again afterwards. */
static bool copy_entry(const struct dirent *entry, const char *aside)
{
	char *from = xprintf("/%s", entry->d_name), *to = xprintf("%s/%s", aside, entry->d_name), link[4096];
	struct stat found;
	bool done = true;

	if (lstat(from, &found)) {
		done = errno == ENOENT || errno == EACCES;
	} else if (S_ISLNK(found.st_mode)) {
		ssize_t size = readlink(from, link, sizeof link - 1);
		link[size > 0 ? size : 0] = 0;
		done = size > 0 && symlink(link, to) == 0;
	} else if (S_ISDIR(found.st_mode) || S_ISREG(found.st_mode)) {
		int tree = open_tree_of(from);
		int file = S_ISREG(found.st_mode) ? open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0444) : -1;
		/* what may not be copied is left out: nobody but its owner gets there */
		done = tree < 0 || ((S_ISREG(found.st_mode) ? file >= 0 : mkdir(to, 0755) == 0) && attach_tree(tree, to));
		close_kept(tree);
		close_kept(file);
	}
	free(from);
	free(to);
	return done;
}

static bool widen_root(const char *directory)
{
	/* any directory will do that is there on every node: it is to be seen again when the root is changed */
	static const char aside[] = "/dev";
	if (strchr(directory + 1, '/')) {
		/* it would be made in a directory of the node's */
		errno = ENOENT;
		return false;
	}
	int tree = open_tree_of(aside), old = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = old < 0 ? NULL : fdopendir(old);
	bool done = tree >= 0 && entries && mount("tmpfs", aside, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m") == 0;

	for (const struct dirent *entry; done && (entry = readdir(entries));) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (strcmp(entry->d_name, aside + 1)) {
			done = copy_entry(entry, aside);
			continue;
		}
		char *to = xprintf("%s%s", aside, aside);
		done = mkdir(to, 0755) == 0 && attach_tree(tree, to);
		free(to);
	}
	char *point = xprintf("%s%s", aside, directory);
	done = done && mkdir(point, 0755) == 0 && change_root(aside);
	int error = errno;
	free(point);
	if (tree >= 0)
		close(tree);
	if (entries)
		closedir(entries);
	errno = error;
	return done;
}

/* All that was taken, and nothing else, is in the directory from now on. Where the node has none, it is made in a root of this
 * process's own. */
static bool op_give(char *const *words)
{
	struct stat found;

	if (lstat(words[1], &found) ? errno != ENOENT || !widen_root(words[1]) : !S_ISDIR(found.st_mode))
		return false;
	if (mount("tmpfs", words[1], "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64k"))
		return false;
	for (size_t i = 0; i < taken_count; i++) {
		char *point = xprintf("%s/%s", words[1], taken[i].name);
		bool attached = mkdir(point, 0755) == 0 && attach_tree(taken[i].tree, point);
		free(point);
		if (!attached)
			return false;
		close(taken[i].tree);
	}
	taken_count = 0;
	return mount(NULL, words[1], NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) == 0;
}

static int open_directory_at(int at, const char *name)
{
	return at < 0 ? -1 : openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static bool has_point(int lower, const char *name, bool directory)
{
	struct stat found;

	return lower >= 0 && fstatat(lower, name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (directory ? S_ISDIR(found.st_mode) : S_ISREG(found.st_mode));
}

/* One directory further down on both sides; in the upper one it is made. A link of the lower side is covered. */
static bool descend(int *lower, int *upper, const char *name)
{
	int below = open_directory_at(*lower, name);

	bool made = mkdirat(*upper, name, 0755) == 0;
	if (!made && errno != EEXIST)
		return false;
	int fresh = open_directory_at(*upper, name);
	struct stat above;
	/* whatever the umask; what the lower side lacks is whose the directory above it is */
	bool given = !made || (fresh >= 0 && fchmod(fresh, 0755) == 0 && fstat(*upper, &above) == 0 &&
			       fchown(fresh, above.st_uid, above.st_gid) == 0);
	if (fresh < 0 || !given || (below >= 0 && !mirror(below, fresh)))
		return false;
	close(*upper);
	if (*lower >= 0)
		close(*lower);
	*upper = fresh;
	*lower = below;
	return true;
}

/* Something to mount upon at PATH in an image that may lack it: a directory, or a file, as the node has there. */
static bool op_point(char *const *words)
{
	struct stat node;
	char *copy = xprintf("%s", words[3]), *rest = copy, *name, *next;
	int lower = open(words[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int upper = open(words[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	bool made = lower >= 0 && upper >= 0;
	bool wanted = stat(words[3], &node) == 0;

	/* from the first that is lacking on, or the kernel would have to find them */
	for (name = strsep(&rest, "/"); made && wanted && name; name = next) {
		for (next = strsep(&rest, "/"); next && !*next; next = strsep(&rest, "/"))
			;
		if (!*name)
			continue;
		bool directory = next || S_ISDIR(node.st_mode);
		if (!next && has_point(lower, name, directory))
			break;
		if (directory) {
			made = descend(&lower, &upper, name);
			continue;
		}
		int file = openat(upper, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		made = file >= 0 && fchmod(file, 0644) == 0;
		if (file >= 0)
			close(file);
	}
	int error = errno;
	if (lower >= 0)
		close(lower);
	if (upper >= 0)
		close(upper);
	free(copy);
	errno = error;
	return made;
}

static const struct known {
	const char *name;
	size_t count; /* words */
	size_t what; /* which of them is the path for people */
	bool (*act)(char *const *words);
} known[] = {
	{ "namespace", 2, 1, op_namespace },
	{ "root", 5, 0, op_root },
	{ "loop", 3, 1, op_loop },
	{ "tmpfs", 3, 1, op_tmpfs },
	{ "directory", 5, 1, op_directory },
	{ "point", 4, 3, op_point },
	{ "shift", 5, 1, op_shift },
	{ "overlay", 6, 4, op_overlay },
	{ "fuse", 5, 4, op_fuse },
	{ "squashfs", 5, 1, op_squashfs },
	{ "graft", 3, 2, op_graft },
	{ "closed", 5, 1, op_closed },
	{ "inside", 6, 4, op_inside },
	{ "hold", 2, 1, op_hold },
	{ "take", 4, 3, op_take },
	{ "retain", 3, 1, op_retain },
	{ "give", 2, 1, op_give },
};

static const struct known *find(const struct view_op *op)
{
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (!strcmp(known[i].name, op->words[0]) && known[i].count == op->count)
			return &known[i];
	return NULL;
}

bool view_add(struct view *view, char key, const char *text)
{
	if (key == 'M') {
		view->ops = xrealloc(view->ops, (view->count + 1) * sizeof *view->ops);
		view->ops[view->count++] = (struct view_op){ .count = 0 };
	}
	struct view_op *op = view->count ? &view->ops[view->count - 1] : NULL;
	if (!op || op->count == VIEW_WORDS)
		return false;
	op->words[op->count++] = xmemdup(text, strlen(text) + 1);
	return true;
}

char *view_wrong(const struct view *view)
{
	for (size_t i = 0; i < view->count; i++)
		if (!find(&view->ops[i]))
			return xprintf("launch: cannot mount '%.200s' with %zu words", view->ops[i].words[0],
				       view->ops[i].count - 1);
	return NULL;
}

void view_free(struct view *view)
{
	for (size_t i = 0; i < view->count; i++)
		for (size_t j = 0; j < view->ops[i].count; j++)
			free(view->ops[i].words[j]);
	free(view->ops);
	*view = (struct view){ 0 };
}

bool view_build(const struct view *view, const char **step, const char **what)
{
	for (size_t i = 0; i < view->count; i++) {
		const struct view_op *op = &view->ops[i];
		const struct known *one = find(op);
		*step = one->name;
		*what = op->words[one->what];
		if (!one->act(op->words))
			return false;
	}
	return true;
}

/* The one that was there shows others. It goes last, since the kernel gives a new one only to who sees all of another. */
bool replace_proc(void)
{
	const unsigned flags = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	int context = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);

	if (context < 0 && errno == ENOSYS) /* Linux 5.2: over the other */
		return mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0;
	int made = context < 0 || syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) ?
			   -1 : (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, flags);
	while (made >= 0 && umount2("/proc", DETACH | NO_LINK) == 0)
		; /* until it is no mount any more, or one that is locked: then over it */
	bool attached = made >= 0 && attach_tree(made, "/proc");
	close_kept(made);
	close_kept(context);
	return attached;
}

/* For one whose uid is 0 an exec would bring them all back. */
bool bound_set(unsigned long long kept)
{
	for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
		if (!(capability < 64 && kept >> capability & 1) && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0))
			return false;
	return true;
}

bool bound_capabilities(unsigned long long kept)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct own[2];

	if (syscall(SYS_capget, &header, own))
		return false;
	for (int half = 0; half < 2; half++) {
		unsigned allowed = (unsigned)(kept >> 32 * half);
		own[half].permitted &= allowed;
		own[half].effective &= allowed;
		own[half].inheritable &= allowed;
	}
	return syscall(SYS_capset, &header, own) == 0;
}

static int *open_kept(const struct own_view *view, const char **what)
{
	int *trees = xrealloc(NULL, (view->kept_count + 1) * sizeof *trees);

	for (size_t i = 0; i < view->kept_count; i++) {
		*what = view->kept[i];
		if ((trees[i] = open_tree_of(view->kept[i])) < 0)
			return NULL;
	}
	return trees;
}

static bool swap_in(const struct view_swap *swap)
{
	int tree = open_tree_of(swap->source);
	bool root = !strcmp(swap->destination, "/");
	/* a root has to be a mount of this namespace's own, so it is attached first, over itself */
	bool done = tree >= 0 && attach_tree(tree, root ? swap->source : swap->destination) && (!root || change_root(swap->source));
	close_kept(tree);
	return done;
}

bool view_enter(const struct own_view *view, const char **what)
{
	*what = "namespaces";
	/* else /proc/self is root's; the exec does it anyway */
	prctl(PR_SET_DUMPABLE, 1);
	if (!new_namespaces(true))
		return false;
	/* in hand before anything covers them */
	int *kept = open_kept(view, what);
	if (!kept)
		return false;
	for (size_t i = 0; i < view->swap_count; i++) {
		*what = view->swaps[i].destination;
		if (!swap_in(&view->swaps[i]))
			return false;
	}
	for (size_t i = 0; i < view->kept_count; i++) {
		*what = view->kept[i];
		if (!attach_tree(kept[i], view->kept[i]))
			return false;
		close(kept[i]);
	}
	free(kept);
	*what = view->hidden;
	if (view->hidden && mount("tmpfs", view->hidden, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV, "mode=0,size=4k"))
		return false;
	*what = "capabilities";
	return bound_set(0) && bound_capabilities(0);
}
