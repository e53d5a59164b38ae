/* Reaping; and finding and killing children by /proc, where no PID namespace does it for us. */
#include "reap.h"
#include "sig.h"
#include "util.h"
#include "wait.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	KILL_AGAIN_MS = 20,
	/* A process that waits in the kernel, for a file server say, dies when that lets it: it is waited for 20 s at most, of
	 * time in which this process runs and none of them dies. Time in which this process is suspended does not count. */
	KILL_LOOKS = 1000,
	/* So many SIGCHLD in vain in such a time are heard, and no more until it is over: their sender wakes this process 20 times
	 * a second. Some are usual: a child was reaped with the one before. */
	VAIN = 5,
	VAIN_MS = 250,
};

static volatile sig_atomic_t heard; /* a SIGCHLD */
static const char CHILDREN_FILE[] = "/proc/thread-self/children";
static FILE *children; /* opened before another process of the same uid can prevent that; NULL: not yet, or the kernel has none */

struct hunt {
	bool (*spare)(pid_t pid, const void *context);
	const void *context;
	size_t found;
};

/* Kills the process, unless it is spared. */
static void strike(struct hunt *hunt, pid_t pid)
{
	if (hunt->spare && hunt->spare(pid, hunt->context))
		return;
	hunt->found++;
	kill(pid, SIGKILL);
}

/* Kills the children that the kernel lists. False: it has no such list. */
static bool by_children_file(struct hunt *hunt)
{
	int pid;

	if (!children && !(children = fopen(CHILDREN_FILE, "re")))
		return false;
	rewind(children);
	while (fscanf(children, "%d", &pid) == 1)
		strike(hunt, pid);
	return true;
}

/* Reads the parent of a process; 0: the process is gone. */
static pid_t parent_of(const char *pid)
{
	char path[64], stat[512];
	int parent = 0;

	snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	stat[fread(stat, 1, sizeof stat - 1, file)] = 0;
	fclose(file);
	char *after_name = strrchr(stat, ')'); /* the name may hold anything, brackets too */
	if (after_name)
		sscanf(after_name, ") %*c %d", &parent);
	return parent;
}

/* A kernel without CONFIG_PROC_CHILDREN. */
static void by_parent(struct hunt *hunt)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	long pid;

	if (!proc && getpid() == 1)
		close_and_exit(EXIT_WRAPPER); /* the kernel kills the rest */
	if (!proc)
		return;
	while ((errno = 0, entry = readdir(proc)))
		if (parse_number(entry->d_name, 1, 1L << 30, &pid) && parent_of(entry->d_name) == getpid())
			strike(hunt, (pid_t)pid);
	if (errno && getpid() == 1)
		close_and_exit(EXIT_WRAPPER);
	closedir(proc);
}

pid_t child_of(pid_t parent)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	long pid, found = 0;

	while (proc && !found && (entry = readdir(proc)))
		if (parse_number(entry->d_name, 1, 1L << 30, &pid) && parent_of(entry->d_name) == parent)
			found = pid;
	if (proc)
		closedir(proc);
	return (pid_t)found;
}

size_t kill_children(bool (*spare)(pid_t pid, const void *context), const void *context)
{
	struct hunt hunt = { spare, context, 0 };

	if (!by_children_file(&hunt))
		by_parent(&hunt);
	return hunt.found;
}

static void hear(int signo)
{
	(void)signo;
	heard = 1;
}

void reaper_begin(void)
{
	struct sigaction action = { .sa_handler = hear };

	sigaction(SIGCHLD, &action, NULL);
	if (children) /* of the process that this one was forked from */
		fclose(children);
	children = fopen(CHILDREN_FILE, "re");
}

bool reaper_wait(const struct reaper *reaper, struct pollfd *ready, size_t count, int timeout_ms)
{
	long long quiet_us = reaper->vain < VAIN ? 0 : reaper->vain_until_us - monotonic_us();

	if (quiet_us > 0) {
		int quiet_ms = (int)(quiet_us / 1000) + 1;
		wait_for(ready, count, timeout_ms < 0 || timeout_ms > quiet_ms ? quiet_ms : timeout_ms, SIG_STANDARD);
		return false;
	}
	heard = 0;
	wait_for(ready, count, timeout_ms, SIG_STANDARD & ~SIG_BIT(SIGCHLD));
	/* a wait that ends with something ready leaves the signal pending */
	return heard || sig_take(SIGCHLD, 0);
}

/* Counts a look that found no dead child. */
static void note_vain(struct reaper *reaper)
{
	long long now = monotonic_us();

	if (now >= reaper->vain_until_us) {
		reaper->vain_until_us = now + VAIN_MS * 1000;
		reaper->vain = 0;
	}
	reaper->vain++;
}

bool reap(struct reaper *reaper, int flags, bool killing)
{
	unsigned long before = reaper->dead;
	struct rusage usage;
	pid_t pid;
	int status;

	while ((pid = wait_any(&status, flags, &usage)) > 0) {
		reaper->dead += !WIFSTOPPED(status);
		reaper->reaped(reaper->context, pid, status, &usage, killing);
	}
	if (reaper->dead == before)
		note_vain(reaper);
	return pid == 0;
}

bool kill_all(struct reaper *reaper)
{
	int looks = KILL_LOOKS;
	bool somebody = reap(reaper, 0, false); /* what was dead before was not killed by us */

	while (somebody && looks > 0) {
		unsigned long before = reaper->dead;
		if (getpid() == 1)
			kill(-1, SIGKILL);
		else
			kill_children(NULL, NULL);
		/* The timeout is for a child that was reparented to us after the kill. */
		reaper_wait(reaper, NULL, 0, KILL_AGAIN_MS);
		somebody = reap(reaper, 0, true);
		if (reaper->dead == before)
			looks--;
	}
	return !somebody;
}
