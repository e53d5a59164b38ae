/* The payload's process between fork and exec: everything is made as the caller had it, in an order in which no
 * step takes away what a later one needs. */
#include "payload_run.h"
#include "failed.h"
#include "filter.h"
#include "generated/protocol.h"
#include "nice.h"
#include "oom.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	NO_LINK = -1, /* no link to report to, see payload_replace */
};

/* Reports a failure to the keeper and exits; without a keeper it prints a line. */
static _Noreturn void fail_payload(int link, const char *step, int error, const char *what)
{
	struct message message;

	if (link == NO_LINK) {
		dprintf(2, "tare: the payload was not executed: %s: %s: %s\n", step, what, strerror(error));
		close_and_exit(EXIT_NOT_EXECUTED);
	}
	message_failed(&message, step, error, what);
	message_send(&message, link);
	close_and_exit(EXIT_WRAPPER);
}

/* The writer of `0` is what moves, whatever its pid is here; the kernel checks the rights of the descriptor's opener. */
static void join_cgroups(const struct payload *payload, int link)
{
	for (size_t i = 0; i < payload->cgroup_count; i++) {
		if (write(payload->cgroups[i].fd, "0\n", 2) == 2) {
			/* before this process can be looked into: it has the opener's rights */
			close(payload->cgroups[i].fd);
			continue;
		}
		char path[4096], name[64];
		int error = errno;
		snprintf(name, sizeof name, "/proc/self/fd/%d", payload->cgroups[i].fd);
		ssize_t length = readlink(name, path, sizeof path - 1);
		path[length < 0 ? 0 : length] = 0;
		fail_payload(link, "cgroup", error, *path ? path : "cgroup.procs");
	}
}

/* Raises the score if the launch asks for it. */
static void raise_oom_score(const struct payload *payload, int link)
{
	if (payload->oom_score_adj && !oom_score_raise(payload->oom_score_adj))
		fail_payload(link, "oom_score_adj", errno, OOM_SCORE_FILE);
}

/* Raises the nice value if the launch asks for it. */
static void raise_nice(const struct payload *payload, int link)
{
	if (payload->nice && !nice_raise(payload->nice))
		fail_payload(link, "nice", errno, "setpriority");
}

/* Sends `waiting` on `control`, unless that is -1. */
static void report_ready(int control, int link)
{
	struct message ready;

	if (control < 0)
		return;
	message_begin(&ready, FRAME_WAITING); /* the kernel adds who we are */
	if (!message_send(&ready, control))
		fail_payload(link, "protocol", errno, "control socket");
	close(control);
}

/* Waits for the byte that lets the payload go. Exits when the keeper is gone. */
static void await_go(int link)
{
	char go;
	ssize_t n;

	do
		n = read(link, &go, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		close_and_exit(EXIT_WRAPPER); /* init is gone, and with it the only process that could be told */
}

/* Moves the file to another number. */
static int moved_away(int fd, int link)
{
	int fresh = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (fresh < 0)
		fail_payload(link, "descriptors", errno, "dup");
	close(fd);
	return fresh;
}

/* Gives each descriptor its number. What is in the way is ours, and goes elsewhere. Returns where the link is. */
static int place_descriptors(struct payload *payload, int link)
{
	struct received *all = payload->descriptors;

	for (int fd = 0; fd <= 2; fd++) /* the engine's: closed for a caller that had them closed */
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	for (size_t i = 0; i < payload->descriptor_count; i++) {
		int target = all[i].target;
		if (all[i].fd == target) {
			fcntl(target, F_SETFD, 0);
			continue;
		}
		if (link == target)
			link = moved_away(link, link);
		for (size_t later = i + 1; later < payload->descriptor_count; later++)
			if (all[later].fd == target)
				all[later].fd = moved_away(target, link);
		if (dup2(all[i].fd, target) < 0)
			fail_payload(link, "descriptors", errno, "dup2");
		close(all[i].fd);
	}
	return link;
}

/* Sets each limit that differs from the caller's. */
static void restore_limits(const struct payload *payload, int link)
{
	for (int i = 0; i < (int)RLIM_NLIMITS; i++) {
		struct rlimit now;
		const struct rlimit *wanted = &payload->limits[i];
		if (getrlimit(i, &now) == 0 && now.rlim_cur == wanted->rlim_cur && now.rlim_max == wanted->rlim_max)
			continue;
		if (setrlimit(i, wanted)) {
			int error = errno;
			char name[32];
			snprintf(name, sizeof name, "limit %d", i);
			fail_payload(link, "rlimit", error, name);
		}
	}
}

/* Opens the application's own output files, as its account, with its umask, below its work directory. */
static void open_files(const struct payload *payload, int link)
{
	for (int target = 1; target <= 2; target++) {
		const char *path = payload->files[target];
		if (!path)
			continue;
		int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0666);
		if (fd < 0 || (fd == target ? fcntl(fd, F_SETFD, 0) : dup2(fd, target)) < 0)
			fail_payload(link, "output", errno, path);
		if (fd != target)
			close(fd);
	}
}

/* Enters view and namespaces, takes the identity and what the exec inherits, in the order of the README. */
static void take_view(const struct payload *payload, int link)
{
	const char *what = NULL;

	if (payload->view.swap_count && !own_view_enter(&payload->view, &what))
		fail_payload(link, "view", errno, what);
	if (!guest_enter(&payload->guest, &what))
		fail_payload(link, "system", errno, what);
	if (!guest_become(&payload->guest, &what))
		fail_payload(link, "identity", errno, what);
	if (payload->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		fail_payload(link, "no_new_privs", errno, "prctl");
	/* when the namespaces are made, which it may deny, and before a service's rights are given up, which loading it takes */
	if (payload->filter && !filter_load(payload->filter))
		fail_payload(link, "seccomp", errno, "seccomp");
	if (!guest_give_up(&payload->guest, &what))
		fail_payload(link, "identity", errno, what);
}

/* All but the descriptors and the mask. */
static void restore(const struct payload *payload, int link)
{
	if (payload->directory && chdir(payload->directory))
		fail_payload(link, "chdir", errno, payload->directory);
	umask(payload->umask);
	open_files(payload, link);
	sig_ignore(payload->ignored);
	restore_limits(payload, link);
}

/* Executes the program. A name without a slash is looked up in the PATH of its environment. */
static _Noreturn void execute(const struct payload *payload, int link)
{
	environ = payload->environment; /* execvp looks for PATH there */
	sig_set_mask(payload->mask);
	if (strchr(payload->argv[0], '/'))
		execve(payload->argv[0], payload->argv, payload->environment);
	else
		execvp(payload->argv[0], payload->argv);
	fail_payload(link, "exec", errno, payload->argv[0]);
}

/* Keeps the box for processes that join it, until it is killed with the box. Signals that it gets are for them. The end of the link, which
 * an exec would close, says that it stands. */
static _Noreturn void hold(int link)
{
	prctl(PR_SET_NAME, "tare-hold");
	sig_ignore(SIG_EVERY);
	sig_set_mask(0);
	prctl(PR_SET_DUMPABLE, 1); /* as an exec does it: it has nothing, and is looked at as any payload is */
	if (!close_all_but(NULL, 0))
		fail_payload(link, "descriptors", errno, "/proc/self/fd");
	for (;;)
		pause();
}

_Noreturn void payload_run(struct payload *payload, int control, int link)
{
	sig_set_mask(SIG_EVERY);
	sig_default_all();
	setpgid(0, 0);
	join_cgroups(payload, link);
	report_ready(control, link);
	await_go(link);
	raise_oom_score(payload, link); /* when the socket to the shim is closed: see oom.h */
	raise_nice(payload, link); /* init and keepers, which have to be heard, stay as they are */
	take_view(payload, link); /* first: it has descriptors of its own, whose numbers may be wanted */
	link = place_descriptors(payload, link);
	restore(payload, link);
	if (payload->holds)
		hold(link);
	execute(payload, link);
}

_Noreturn void payload_replace(const struct payload *payload)
{
	restore(payload, NO_LINK);
	execute(payload, NO_LINK);
}
