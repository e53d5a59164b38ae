/* See machine_parts.h. */
#include "machine_parts.h"
#include "capabilities.h"
#include "cpio.h"
#include "machine_clock.h"
#include "namespaces.h"
#include "sig.h"
#include "supervisor.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KERNEL_MAX = 256 << 20, FILES_MOST = 1 << 20, FILES_LEAST = 16384, LISTENERS = 1, REAP_MS = 1000, ABOVE_HANDED = MACHINE_KVM + 1 };

/* What the kernel starts there (main.c). */
static const char PROGRAM[] = "tare";

/* All bytes of a file, the caller's to free; NULL, with errno. */
static char *contents(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat found;
	ssize_t n = 1;

	if (fd < 0 || fstat(fd, &found)) {
		close_kept(fd);
		return NULL;
	}
	if (!S_ISREG(found.st_mode) || found.st_size > KERNEL_MAX) {
		close(fd);
		errno = EINVAL;
		return NULL;
	}
	size_t wanted = (size_t)found.st_size;
	char *bytes = xrealloc(NULL, wanted + 1);
	for (*size = 0; n > 0 && *size < wanted;) {
		n = read(fd, bytes + *size, wanted - *size);
		*size += n > 0 ? (size_t)n : 0;
	}
	close_kept(fd);
	if (n >= 0)
		return bytes;
	free(bytes);
	return NULL;
}

/* Every account may open it once more: qemu's is not this process's. */
static int in_memory(const char *name, const void *bytes, size_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd >= 0 && (fchmod(fd, 0444) || !write_all(fd, bytes, size)))
		close_once(&fd);
	return fd;
}

/* What the machine's kernel starts from: this program, and places for its first mounts. */
static int make_initramfs(void)
{
	struct archive archive = { 0 };
	size_t size;
	char *self = contents("/proc/self/exe", &size);

	if (!self)
		return -1;
	archive_add(&archive, "dev", S_IFDIR | 0755, NULL, 0);
	archive_add_device(&archive, "dev/console", 0600, 5, 1);
	archive_add(&archive, "proc", S_IFDIR | 0755, NULL, 0);
	archive_add(&archive, "files", S_IFDIR | 0755, NULL, 0);
	archive_add(&archive, "root", S_IFDIR | 0755, NULL, 0);
	archive_add(&archive, PROGRAM, S_IFREG | 0755, self, size);
	archive_end(&archive);
	int fd = in_memory("tare-initramfs", archive.bytes, archive.size);
	free(archive.bytes);
	free(self);
	return fd;
}

bool machine_parts_load(struct machine_parts *parts, const struct machine_options *options, const char **what)
{
	size_t size;
	char *kernel;

	*what = machine_option(options, "kernel")->words[0];
	errno = 0;
	if (!(kernel = contents(*what, &size)))
		return false;
	parts->kernel = in_memory("tare-kernel", kernel, size);
	free(kernel);
	*what = "memfd";
	parts->initramfs = parts->kernel < 0 ? -1 : make_initramfs();
	return parts->initramfs >= 0;
}

static _Noreturn void fail_child(const char *what)
{
	dprintf(2, "tare: %s: %s\n", what, strerror(errno));
	_exit(EXIT_WRAPPER);
}

/* A descriptor, and under which number what is executed has it. */
struct handed {
	int fd, number;
};

/* In the child; first out of the way of each other. */
static void hand_on(struct handed *handed, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if ((handed[i].fd = fcntl(handed[i].fd, F_DUPFD_CLOEXEC, ABOVE_HANDED)) < 0)
			fail_child("descriptors");
	for (size_t i = 0; i < count; i++)
		if (dup2(handed[i].fd, handed[i].number) < 0)
			fail_child("descriptors");
}

/* In the child, before it changes its account: groups, and a signal mask with which a program works and that keeps what is sent to every
 * process of a slot away. */
static void join_groups(const int *groups, size_t count)
{
	static const int kept_away[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGXCPU, SIGUSR2, SIGVTALRM, SIGPROF };
	sigmask mask = 0;

	for (size_t i = 0; i < count; i++)
		if (write(groups[i], "0\n", 2) != 2)
			fail_child("control group");
	for (size_t i = 0; i < sizeof kept_away / sizeof *kept_away; i++)
		mask |= SIG_BIT(kept_away[i]);
	sig_set_mask(mask);
}

/* In the child, last: a change of its account forgets it. */
static void end_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_WRAPPER);
}

/* virtiofsd has a descriptor open for each file that the machine's kernel remembers. Without one it leaves files out of what it lists, and nothing says so.
 * So it has as many as Linux gives by default (proc_sys_fs(5), nr_open), and of an account that may not raise its limit what that may have, if that is
 * enough for the files of most jobs. */
static void lift_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		fail_child("limit on open files");
	const struct rlimit most = { FILES_MOST, limit.rlim_max > FILES_MOST ? limit.rlim_max : FILES_MOST };
	if (setrlimit(RLIMIT_NOFILE, &most) == 0)
		return;
	if (limit.rlim_max < FILES_LEAST) {
		dprintf(2, "tare: the hard limit on open files is %llu; virtiofsd needs %d at least: raise it (ulimit -Hn; LimitNOFILE= of the batch system's service)\n",
			(unsigned long long)limit.rlim_max, FILES_LEAST);
		_exit(EXIT_WRAPPER);
	}
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* virtiofsd's ids: a user namespace in which the job's accounts have their ids, and root's is none of the node's. The parent maps it. */
static void own_ids(const struct machine_order *ids, int told, int answer)
{
	char byte = 0;

	if (!ids)
		return;
	if (unshare(CLONE_NEWUSER) || write(told, "u", 1) != 1 || read(answer, &byte, 1) != 1 || byte != 'm')
		fail_child("the user namespace of virtiofsd");
	if (setgroups(0, NULL) || setresgid(0, 0, 0) || setresuid(0, 0, 0))
		fail_child("root of the user namespace of virtiofsd");
}

/* The parent's part: for the child to have a user namespace, and its maps. */
static bool map_file_ids(const struct machine_order *ids, pid_t child, int told, int answer)
{
	char byte;

	if (!ids)
		return true;
	if (read(told, &byte, 1) != 1)
		return false;
	char *uids = xprintf("/proc/%d/uid_map", child), *gids = xprintf("/proc/%d/gid_map", child);
	bool done = write_file(uids, ids->words[0]) && write_file(gids, ids->words[1]) && write(answer, "m", 1) == 1;
	free(uids);
	free(gids);
	return done;
}

/* A listening socket, and a connection to it: both stand before virtiofsd runs, and nothing is left in the directory. */
static bool make_file_sockets(int sockets[2])
{
	const struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "files" };

	sockets[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sockets[1] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sockets[0] < 0 || sockets[1] < 0 || bind(sockets[0], (const struct sockaddr *)&name, sizeof name))
		return false;
	bool made = listen(sockets[0], LISTENERS) == 0 && connect(sockets[1], (const struct sockaddr *)&name, sizeof name) == 0;
	return unlink(name.sun_path) == 0 && made;
}

static bool start_files(struct machine_parts *parts, const struct machine_options *options, const int *groups, size_t group_count,
			int listener)
{
	const struct machine_order *ids = machine_option(options, "ids");
	int told[2], answer[2], alive[2];
	pid_t self = getpid();

	if (pipe2(told, O_CLOEXEC) || pipe2(answer, O_CLOEXEC) || pipe2(alive, O_CLOEXEC))
		return false;
	parts->files = fork();
	if (parts->files == 0) {
		join_groups(groups, group_count);
		lift_files();
		own_ids(ids, told[1], answer[0]);
		hand_on((struct handed[]){ { listener, MACHINE_FILES }, { alive[1], MACHINE_ALIVE } }, 2);
		end_with(self);
		execve(options->files[0], options->files, clean_environment);
		fail_child(options->files[0]);
	}
	close(alive[1]);
	close(told[1]);
	close(answer[0]);
	parts->alive = alive[0];
	bool mapped = parts->files > 0 && map_file_ids(ids, parts->files, told[0], answer[1]);
	close_kept(told[0]);
	close_kept(answer[1]);
	return mapped;
}

/* qemu has the account of the job and no rights: who breaks out of the machine is the job's account on the node. */
static void take_account(const struct machine_order *account)
{
	long uid, gid;

	if (account) {
		if (!parse_number(account->words[0], 0, 0xfffffffeL, &uid) || !parse_number(account->words[1], 0, 0xfffffffeL, &gid))
			fail_child("account");
		if (setgroups(0, NULL) || setresgid((gid_t)gid, (gid_t)gid, (gid_t)gid) || setresuid((uid_t)uid, (uid_t)uid, (uid_t)uid))
			fail_child("account of qemu");
	}
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	bound_capabilities(0);
}

/* In the child, with this process's rights. */
static void hand_kvm_on(const struct machine_order *kvm)
{
	if (!kvm)
		return;
	int fd = open(kvm->words[0], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fail_child(kvm->words[0]);
	hand_on(&(struct handed){ fd, MACHINE_KVM }, 1);
}

static bool start_emulator(struct machine_parts *parts, const struct machine_options *options, const int *groups, size_t group_count,
			   int files, int port)
{
	pid_t self = getpid();

	machine_clock_tell(options->emulator);
	parts->emulator = fork();
	if (parts->emulator == 0) {
		join_groups(groups, group_count);
		hand_on((struct handed[]){ { files, MACHINE_FILES },
					   { port, MACHINE_PORT },
					   { parts->kernel, MACHINE_KERNEL },
					   { parts->initramfs, MACHINE_INITRAMFS },
					   { 2, MACHINE_CONSOLE } },
			5);
		hand_kvm_on(machine_option(options, "kvm"));
		take_account(machine_option(options, "account"));
		end_with(self);
		execve(options->emulator[0], options->emulator, clean_environment);
		fail_child(options->emulator[0]);
	}
	return parts->emulator > 0;
}

bool machine_parts_start(struct machine_parts *parts, const struct machine_options *options, const int *groups, size_t group_count,
			 const char **what)
{
	int sockets[2], port[2];

	*what = "sockets";
	if (chdir(machine_option(options, "folder")->words[0]) || !make_file_sockets(sockets) || chdir("/") ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, port))
		return false;
	parts->port = port[0];
	*what = options->files[0];
	if (!start_files(parts, options, groups, group_count, sockets[0]))
		return false;
	*what = options->emulator[0];
	if (!start_emulator(parts, options, groups, group_count, sockets[1], port[1]))
		return false;
	close(sockets[0]);
	close(sockets[1]);
	close(port[1]);
	close_once(&parts->kernel);
	close_once(&parts->initramfs);
	return fcntl(parts->port, F_SETFL, O_NONBLOCK) == 0;
}

/* Whether qemu ended by itself: its end of the port is closed a moment before it can be reaped. */
static bool reap_emulator(const struct machine_parts *parts, int *status)
{
	struct pollfd port = { .fd = parts->port, .events = POLLIN };

	if (poll(&port, 1, 0) <= 0 || !(port.revents & POLLHUP))
		return waitpid(parts->emulator, status, WNOHANG) == parts->emulator;
	for (int waited = 0; waited < REAP_MS; waited++) {
		if (waitpid(parts->emulator, status, WNOHANG) == parts->emulator)
			return true;
		usleep(1000);
	}
	return false;
}

int machine_parts_end(struct machine_parts *parts)
{
	int status = 0, by_itself = -1;

	if (parts->emulator > 0) {
		if (reap_emulator(parts, &status))
			by_itself = status;
		else if (kill(parts->emulator, SIGKILL) == 0)
			waitpid(parts->emulator, &status, 0);
	}
	if (parts->files > 0) {
		kill(parts->files, SIGKILL);
		waitpid(parts->files, &status, 0);
	}
	return by_itself;
}
