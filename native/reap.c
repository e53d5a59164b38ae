/* Reaping; and finding and killing children by /proc, where no PID namespace does it for us. */
#include "reap.h"
#include "util.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	KILL_AGAIN_MS = 20,
	/* One that waits in the kernel, for a file server say, dies when that lets it: nobody waits for it longer than 20 s, of
	 * time in which this process runs and none of them dies. Who is suspended meanwhile has not waited. */
	KILL_LOOKS = 1000,
};

struct hunt {
	bool (*spare)(pid_t pid, const void *context);
	const void *context;
	size_t found;
};

static void strike(struct hunt *hunt, pid_t pid)
{
	if (hunt->spare && hunt->spare(pid, hunt->context))
		return;
	hunt->found++;
	kill(pid, SIGKILL);
}

static bool by_children_file(struct hunt *hunt)
{
	FILE *children = fopen("/proc/thread-self/children", "re");
	int pid;

	if (!children)
		return false;
	while (fscanf(children, "%d", &pid) == 1)
		strike(hunt, pid);
	fclose(children);
	return true;
}

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

	if (!proc)
		return;
	while ((entry = readdir(proc)))
		if (parse_number(entry->d_name, 1, 1L << 30, &pid) && parent_of(entry->d_name) == getpid())
			strike(hunt, (pid_t)pid);
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

bool reap(const struct reaper *reaper, int flags, bool killing)
{
	struct rusage usage;
	pid_t pid;
	int status;

	while ((pid = wait4(-1, &status, WNOHANG | flags, &usage)) > 0)
		reaper->reaped(reaper->context, pid, status, &usage, killing);
	return pid == 0;
}

void reap_heard(const struct reaper *reaper)
{
	char buffer[1024];

	while (read(reaper->children, buffer, sizeof buffer) > 0)
		;
}

bool kill_all(const struct reaper *reaper)
{
	int looks = KILL_LOOKS;
	bool somebody = reap(reaper, 0, false); /* what was dead before was not killed by us */

	while (somebody && looks > 0) {
		struct pollfd dead = { .fd = reaper->children, .events = POLLIN };
		if (getpid() == 1)
			kill(-1, SIGKILL);
		else
			kill_children(NULL, NULL);
		/* The timeout is for a child that was reparented to us after the kill. */
		if (poll(&dead, 1, KILL_AGAIN_MS) == 0)
			looks--;
		reap_heard(reaper);
		somebody = reap(reaper, 0, true);
	}
	return !somebody;
}
