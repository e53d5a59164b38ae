/* `tare-mounter SHIM FOLDER PLACE IDENTITY WITHIN CLIENT ARGUMENT…`: a repository of CVMFS, mounted for one job where the node has it not.
 *
 * Mounts and client are in namespaces of their own: process 1 of the PID namespace, which is this program, keeps them, and with it
 * the kernel ends the client, the mount and the client's locks, whichever process is killed. It ends when the shim does, or by SIGTERM;
 * not when the supervisor does, since another one goes on. The kernel mounts before the client starts (it gets the descriptor:
 * cvmfs2 REPOSITORY /dev/fd/N, from CVMFS 2.7 on with libfuse 3), so no setuid program is needed, and no rights but those over
 * the own namespaces (Linux 4.18). Nothing here touches what the client serves. */
#include "mounter.h"
#include "supervisor.h"
#include "identity.h"
#include "namespaces.h"
#include "sig.h"
#include "util.h"
#include "wait.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	FIRST_ARGUMENT = 8,
	LOOK_MS = 200,	 /* how often is looked whether the shim lives, where the kernel does not tell */
	LEAVE_MS = 1000, /* for a client whose mount is gone, and once more after SIGTERM */
};

struct mounter {
	const char *folder, *place;
	struct identity identity;
	char **client; /* argv, and room for the descriptor */
	size_t words;
	int shim; /* pidfd, or -1 before Linux 5.3: then its directory in /proc */
	int shim_directory;
	bool user;
	pid_t pid; /* the client's; 0: it has ended */
};

/* Prints a line: a key, a tab, a value. */
static void tell_supervisor(const char *key, const char *value)
{
	char *line = xprintf("%s\t%s\n", key, value);

	/* the supervisor may be gone: its successor asks differently */
	write_all(1, line, strlen(line));
	free(line);
}

/* Reports the step and errno to the supervisor, and exits. */
static _Noreturn void fail_to_mount(const char *step)
{
	char *text = xprintf("%s: %s", step, strerror(errno));

	tell_supervisor("failed", text);
	_exit(EXIT_WRAPPER);
}

/* Makes the namespaces of client and mount. The next child is process 1 of the PID namespace. Exits on an error. */
static void isolate(bool user, pid_t within)
{
	/* of a configuration repository that another mounter keeps: it is in all mounts that are copied from there */
	if (within) {
		if (!mounts_join(within))
			fail_to_mount("mounts of the configuration repository");
	} else if (user && !user_namespace(geteuid(), getegid()))
		fail_to_mount("user namespace");
	if (unshare(CLONE_NEWPID) || !own_mounts())
		fail_to_mount("namespaces");
	/* a process that looks at the repository joins these namespaces by way of /proc */
	prctl(PR_SET_DUMPABLE, 1);
}

/* The descriptor stays open on exec. The kernel wants it opened in the user namespace that mounts. */
static int mount_fuse(const struct mounter *mounter)
{
	int device = open("/dev/fuse", O_RDWR);

	if (device < 0)
		fail_to_mount("/dev/fuse");
	uid_t uid = mounter->identity.wanted ? mounter->identity.uid : geteuid();
	gid_t gid = mounter->identity.wanted ? mounter->identity.gid : getegid();
	/* in a user namespace others than the user are not let in: these would have to be in it, and the box is not */
	char *options = xprintf("fd=%d,rootmode=40000,user_id=%u,group_id=%u%s", device, uid, gid, mounter->user ? "" : ",allow_other");
	if (mount("cvmfs2", mounter->place, "fuse", MS_RDONLY | MS_NOSUID | MS_NODEV, options))
		fail_to_mount("mount");
	free(options);
	return device;
}

/* Executes the client as its account, in the child. Failures go to its log. */
static _Noreturn void become_client(const struct mounter *mounter, int device, int log)
{
	const char *what = NULL;
	int null = open("/dev/null", O_RDONLY);
	int keep[] = { 0, 1, 2, device };

	if (!identity_take(&mounter->identity, &what) || null < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0 ||
	    !close_all_but(keep, 4) || chdir("/"))
		_exit(EXIT_WRAPPER);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	sig_set_mask(0);
	signal(SIGPIPE, SIG_DFL);
	execve(mounter->client[0], mounter->client, clean_environment);
	dprintf(2, "%s: %s\n", mounter->client[0], strerror(errno));
	_exit(EXIT_WRAPPER);
}

/* Forks the client, which gets the descriptor of the mount. Exits on an error. */
static void start_client(struct mounter *mounter, int device)
{
	char *path = xprintf("%s/client.log", mounter->folder);
	int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (log < 0)
		fail_to_mount("log");
	mounter->client[mounter->words] = xprintf("/dev/fd/%d", device);
	mounter->pid = fork();
	if (mounter->pid < 0)
		fail_to_mount("fork");
	if (mounter->pid == 0)
		become_client(mounter, device, log);
	close(log);
	free(path);
}

/* Reaps all processes of the namespace, whose last parent is this process. */
static void reap_client(struct mounter *mounter)
{
	int status;

	for (pid_t pid; (pid = wait_any(&status, 0, NULL)) > 0;) {
		if (pid != mounter->pid)
			continue;
		mounter->pid = 0;
		char *how = WIFSIGNALED(status) ? xprintf("by signal %d", WTERMSIG(status)) :
						  xprintf("with status %d", WEXITSTATUS(status));
		tell_supervisor("ended", how);
		free(how);
	}
}

/* Looks at /proc, for kernels without pidfd_open(2). */
static bool shim_lives(const struct mounter *mounter)
{
	char text[512];
	int fd = openat(mounter->shim_directory, "stat", O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

	close_kept(fd);
	text[size > 0 ? size : 0] = 0;
	/* the name, in which anything may be, ends with the last parenthesis */
	const char *state = strrchr(text, ')');
	return state && strlen(state) > 2 && !strchr("ZX", state[2]);
}

/* Opens a pidfd of the shim, or its directory in /proc. Exits when it is gone. */
static void watch_shim(struct mounter *mounter, pid_t shim)
{
	mounter->shim = (int)syscall(SYS_pidfd_open, shim, 0);
	mounter->shim_directory = -1;
	if (mounter->shim >= 0) {
		mounter->shim = above_standard(mounter->shim);
		return;
	}
	if (errno != ENOSYS)
		fail_to_mount("shim");
	/* of this very process: another one with its number is not found there */
	char *path = xprintf("/proc/%d", shim);
	mounter->shim_directory = above_standard(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
	free(path);
	if (mounter->shim_directory < 0)
		fail_to_mount("shim");
}

/* Waits for a signal or the end of the shim; false: this process has to end. */
static bool wait_on(struct mounter *mounter, int signals, int timeout_ms)
{
	bool looks = timeout_ms < 0 && mounter->shim < 0;
	struct pollfd ready[] = { { .fd = signals, .events = POLLIN }, { .fd = mounter->shim, .events = POLLIN } };
	struct signalfd_siginfo info;
	int found = poll(ready, 2, looks ? LOOK_MS : timeout_ms);

	if (found < 0 && errno == EINTR)
		return true;
	if (found == 0 && looks)
		return shim_lives(mounter);
	if (found <= 0 || ready[1].revents)
		return false;
	if (read(signals, &info, sizeof info) != sizeof info || info.ssi_signo == SIGTERM)
		return false;
	reap_client(mounter);
	return true;
}

/* Unmounts and waits for the client: LEAVE_MS, then SIGTERM and LEAVE_MS more. */
static void leave(struct mounter *mounter, int signals)
{
	long long begin_us = monotonic_us();
	bool asked = false;

	umount2(mounter->place, MNT_DETACH);
	/* the shim's end is known by now */
	mounter->shim = -1;
	while (mounter->pid) {
		long long left_ms = (asked ? 2 : 1) * LEAVE_MS - (monotonic_us() - begin_us) / 1000;
		if (left_ms > 0 && wait_on(mounter, signals, (int)left_ms))
			continue;
		if (asked)
			break;
		asked = true;
		kill(mounter->pid, SIGTERM);
	}
}

/* The work of process 1 of the namespaces: mounts, starts the client, and keeps both until the shim ends or SIGTERM comes. */
static _Noreturn void keep_mounted(struct mounter *mounter)
{
	sigset_t wanted;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "tare-mounter");
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGCHLD);
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	int signals = signalfd(-1, &wanted, SFD_CLOEXEC);
	if (signals < 0)
		fail_to_mount("signalfd");
	/* where the kernel refuses it the client sees the node's, which it can live with */
	replace_proc();
	int device = mount_fuse(mounter);
	start_client(mounter, device);
	close(device);
	tell_supervisor("mounted", mounter->place);
	while (wait_on(mounter, signals, -1))
		;
	leave(mounter, signals);
	_exit(0);
}

int mounter_main(int argc, char **argv)
{
	static struct mounter mounter;
	long shim, within = 0;
	int status = 0;

	if (argc < FIRST_ARGUMENT || !parse_number(argv[2], 1, 1L << 30, &shim) ||
	    (strcmp(argv[5], "-") && !identity_parse(&mounter.identity, argv[5])) ||
	    (strcmp(argv[6], "-") && !parse_number(argv[6], 1, 1L << 30, &within)))
		return EXIT_WRAPPER;
	mounter.folder = argv[3];
	mounter.place = argv[4];
	mounter.words = (size_t)argc - FIRST_ARGUMENT + 1;
	mounter.client = xrealloc(NULL, (mounter.words + 2) * sizeof *argv);
	memcpy(mounter.client, argv + FIRST_ARGUMENT - 1, mounter.words * sizeof *argv);
	mounter.client[mounter.words + 1] = NULL;
	mounter.user = geteuid() != 0;
	umask(022);
	signal(SIGPIPE, SIG_IGN);
	if (syscall(SYS_open_tree, -1, "", 0) < 0 && errno == ENOSYS)
		fail_to_mount("the kernel cannot hand a mount to a box, which Linux can from 5.2 on");
	watch_shim(&mounter, (pid_t)shim);
	isolate(mounter.user, (pid_t)within);
	pid_t pid = fork();
	if (pid < 0)
		fail_to_mount("fork");
	if (pid == 0)
		keep_mounted(&mounter);
	char *text = xprintf("%d", pid);
	tell_supervisor("mounter", text);
	free(text);
	prctl(PR_SET_NAME, "tare-mounter");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_WRAPPER;
}
