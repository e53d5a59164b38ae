/* `tare-join PID KINDS COMMAND…`: the command in namespaces of that process.
 *
 * nsenter(1) of util-linux 2.38 (Debian 12) cannot do it: bubblewrap makes a user namespace within a user namespace, the other
 * namespaces belong to the outer one, and a process that has entered the inner one has no rights there any more. So the order is: the
 * outer one, which its maker may enter, all that belong to it, then the inner one. */
#include "join.h"
#include "supervisor.h"
#include "capabilities.h"
#include "init.h"
#include "sig.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Namespaces by their names in /proc/PID/ns. The user namespace comes last: see above. */
static const struct kind {
	const char *name;
	int flag;
} KINDS[] = {
	{ "cgroup", CLONE_NEWCGROUP }, { "ipc", CLONE_NEWIPC }, { "uts", CLONE_NEWUTS },   { "net", CLONE_NEWNET },
	{ "pid", CLONE_NEWPID },       { "mnt", CLONE_NEWNS },  { "user", CLONE_NEWUSER },
};
static const char SELF[] = "/proc/self/fd/";
enum { PID = 4, USER = 6, COUNT = sizeof KINDS / sizeof *KINDS };

static _Noreturn void fail_to_enter(const char *name)
{
	die("the box's %s namespace cannot be entered: %s", name, strerror(errno));
}

static void enter(int fd, size_t kind)
{
	if (setns(fd, KINDS[kind].flag))
		fail_to_enter(KINDS[kind].name);
}

static bool is_same_namespace(int one, int other)
{
	struct stat a, b;

	return fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Whether the comma-separated list has the name. */
static bool is_wanted(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = list; (at = strstr(at, name)); at++)
		if ((at == list || at[-1] == ',') && (at[length] == ',' || !at[length]))
			return true;
	return false;
}

/* All are opened before the first is entered: what /proc shows then changes. */
static void open_all(const char *pid, const char *list, int *fds)
{
	for (size_t i = 0; i < COUNT; i++) {
		fds[i] = -1;
		if (!is_wanted(list, KINDS[i].name))
			continue;
		char *path = xprintf("/proc/%s/ns/%s", pid, KINDS[i].name);
		fds[i] = open(path, O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0)
			fail_to_enter(KINDS[i].name);
		free(path);
	}
}

/* The user namespace that the others belong to; -1 where the kernel does not say (before Linux 4.9). */
static int owner_of(const int *fds)
{
	for (size_t i = 0; i < USER; i++)
		if (fds[i] >= 0)
			return ioctl(fds[i], NS_GET_USERNS);
	return -1;
}

/* The account of a process as its status has it (proc_pid_status(5)); of groups no more than there is room for. */
struct account {
	uid_t uid;
	gid_t gid;
	gid_t groups[512];
	size_t count;
};

/* The number behind a tabulator or a blank, from `*at` on. False: there is none. */
static bool next_number(const char **at, unsigned long *number)
{
	char *end;

	*number = strtoul(*at, &end, 10);
	if (end == *at)
		return false;
	*at = end;
	return true;
}

/* What is found in one line of the status. */
static void take_line(struct account *account, const char *line)
{
	unsigned long number;
	const char *at = strchr(line, ':');

	if (!at)
		return;
	at++;
	if (!strncmp(line, "Uid:", 4) && next_number(&at, &number))
		account->uid = (uid_t)number;
	if (!strncmp(line, "Gid:", 4) && next_number(&at, &number))
		account->gid = (gid_t)number;
	if (!strncmp(line, "Groups:", 7))
		while (account->count < sizeof account->groups / sizeof *account->groups && next_number(&at, &number))
			account->groups[account->count++] = (gid_t)number;
}

static void read_account(struct account *account, const char *pid)
{
	char *path = xprintf("/proc/%s/status", pid), line[8192];
	FILE *file = fopen(path, "re");

	if (!file)
		die("%s: %s", path, strerror(errno));
	free(path);
	while (fgets(line, sizeof line, file))
		take_line(account, line);
	fclose(file);
}

/* Root has no id in a small machine with ids of its own, and would have no rights there after the next exec: it becomes root there. A box that
 * another program of root's made has no root: there it becomes what init is, and keeps its rights until it executes something. It
 * leaves root's session keyring (identity.c); a kernel may have no keys, and a container may not use them. */
static void become_known(const struct account *init)
{
	if (setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0)
		return;
	if (errno != EINVAL)
		fail_to_enter(KINDS[USER].name);
	long keyring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	if (keyring < 0 && errno != ENOSYS && errno != EPERM)
		fail_to_enter(KINDS[USER].name);
	if (keyring >= 0) /* the possessor may use it in any case */
		syscall(SYS_keyctl, KEYCTL_CHOWN, keyring, init->uid, init->gid);
	if (setgroups(init->count, init->groups) || setresgid(init->gid, init->gid, init->gid) ||
	    setresuid(init->uid, init->uid, init->uid))
		fail_to_enter(KINDS[USER].name);
}

/* Enters the namespaces in the order that the top of this file explains. Dies on an error. */
static void enter_all(const int *fds, const struct account *init)
{
	int own = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC), inner = fds[USER], outer = owner_of(fds);
	bool root = geteuid() == 0;

	/* a process cannot enter the user namespace that it is in */
	bool has_outer = inner >= 0 && outer >= 0 && !is_same_namespace(outer, inner) && !is_same_namespace(outer, own);
	bool is_first = inner >= 0 && !has_outer && !is_same_namespace(outer, own);
	if (has_outer)
		enter(outer, USER);
	if (is_first)
		enter(inner, USER);
	if (root && geteuid() != 0)
		become_known(init);
	for (size_t i = 0; i < USER; i++)
		if (fds[i] >= 0)
			enter(fds[i], i);
	if (inner >= 0 && !is_first)
		enter(inner, USER);
}

/* Forks, since only children are in a PID namespace that was entered. This process ends as its child does. */
static void become_child(void)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0)
		return;
	if (child < 0)
		die("fork: %s", strerror(errno));
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status)) {
		sig_set_mask(0);
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
	}
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_WRAPPER);
}

/* This program itself. */
static bool is_init(int argc, char **argv)
{
	return argc == 7 && !strncmp(argv[4], SELF, strlen(SELF)) && !strcmp(argv[5], "tare-init");
}

/* An exec would make it dumpable: until it forbids that again, a process of the box with its uid could trace it, and take its socket
 * to the shim (the class of CVE-2016-9962). Rights over the box, which an exec takes from all but its root, go here. */
static _Noreturn void become_init(const char *control)
{
	if (geteuid() && !bound_capabilities(0))
		die("the box cannot be entered without rights over it: %s", strerror(errno));
	init_main(control);
}

_Noreturn void join_main(int argc, char **argv)
{
	static struct account init = { .uid = (uid_t)-1, .gid = (gid_t)-1 };
	int fds[COUNT];
	long pid;

	prctl(PR_SET_DUMPABLE, 0);
	if (argc < 5 || !parse_number(argv[2], 1, 1L << 30, &pid))
		_exit(EXIT_WRAPPER);
	open_all(argv[2], argv[3], fds);
	read_account(&init, argv[2]);
	enter_all(fds, &init);
	if (fds[PID] >= 0)
		become_child();
	if (is_init(argc, argv))
		become_init(argv[6]);
	execve(argv[4], argv + 4, clean_environment);
	die("%s: %s", argv[4], strerror(errno));
}
