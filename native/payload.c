/* The payload's process between fork and exec: everything is made as the caller had it, in an order in which no
 * step takes away what a later one needs. */
#include "payload.h"
#include "filter.h"
#include "frame.h"
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
	NO_LINK = -1, /* nobody to report to, see payload_replace */
};

static char *read_all(int fd, size_t *size)
{
	struct stat status;
	size_t got = 0;

	if (fstat(fd, &status))
		return NULL;
	char *text = xrealloc(NULL, (size_t)status.st_size + 1);
	while (got < (size_t)status.st_size) {
		ssize_t n = pread(fd, text + got, (size_t)status.st_size - got, (off_t)got);
		if (n <= 0) {
			free(text);
			return NULL;
		}
		got += (size_t)n;
	}
	text[got] = 0;
	*size = got;
	return text;
}

/* Source and destination in turn. */
static void add_swap(struct own_view *view, const char *path)
{
	struct view_swap *last = view->swap_count ? &view->swaps[view->swap_count - 1] : NULL;

	if (last && !last->destination) {
		last->destination = path;
		return;
	}
	view->swaps = xrealloc(view->swaps, (view->swap_count + 1) * sizeof *view->swaps);
	view->swaps[view->swap_count++] = (struct view_swap){ path, NULL };
}

static void load_key(struct payload *payload, char *string, char ***argument, char ***variable)
{
	unsigned long long soft, hard;
	int which;

	switch (string[0]) {
	case 'a':
		*(*argument)++ = string + 1;
		break;
	case 'e':
		*(*variable)++ = string + 1;
		break;
	case 'r':
		if (sscanf(string + 1, "%d %llu %llu", &which, &soft, &hard) == 3 && which >= 0 &&
		    which < (int)RLIM_NLIMITS)
			payload->limits[which] = (struct rlimit){ (rlim_t)soft, (rlim_t)hard };
		break;
	case 'm':
		payload->mask = strtoull(string + 1, NULL, 16);
		break;
	case 'i':
		payload->ignored = strtoull(string + 1, NULL, 16);
		break;
	case 'u':
		payload->umask = (mode_t)strtoul(string + 1, NULL, 8);
		break;
	case 'd':
		payload->directory = string + 1;
		break;
	case 'f':
		payload->filter = string + 1;
		break;
	case 'l':
		landlock_rights(string + 1, &payload->wall.rights);
		break;
	case 'L':
		payload->wall.places = xrealloc(payload->wall.places, (payload->wall.count + 1) * sizeof(char *));
		payload->wall.places[payload->wall.count++] = string + 1;
		break;
	case 'O':
		payload->oom_score_adj = string + 1;
		break;
	case 'n':
		payload->no_new_privs = true;
		break;
	case 'H':
		payload->holds = true;
		break;
	case 'p':
		payload->pause = string + 1;
		break;
	case 't':
		payload->terminal = true;
		break;
	case 'N':
		payload->name = string + 1;
		break;
	case 'I':
		payload->input = true;
		break;
	case 'S':
		payload->service = true;
		break;
	case 'o':
		payload->prefixed = true;
		break;
	case '1':
	case '2':
		payload->files[string[0] - '0'] = string + 1;
		break;
	case 'w':
		add_swap(&payload->view, string + 1);
		break;
	case 'k':
		payload->view.kept = xrealloc(payload->view.kept, (payload->view.kept_count + 1) * sizeof(char *));
		payload->view.kept[payload->view.kept_count++] = string + 1;
		break;
	case 'h':
		payload->view.hidden = string + 1;
		break;
	default:
		guest_load(&payload->guest, string[0], string + 1);
	}
}

/* What a key says of another, which has to be there. */
static bool has_parts(const struct payload *payload)
{
	const struct own_view *view = &payload->view;

	return (!payload->prefixed || payload->name) && (!view->swap_count || view->swaps[view->swap_count - 1].destination);
}

bool payload_load(struct payload *payload, int memfd)
{
	size_t size = 0, arguments = 0, variables = 0;

	payload->guest.host = payload->tty = -1;
	payload->text = read_all(memfd, &size);
	close(memfd);
	if (!payload->text)
		return false;
	char *end = payload->text + size;
	for (char *string = payload->text; string < end; string += strlen(string) + 1) {
		arguments += *string == 'a';
		variables += *string == 'e';
	}
	payload->argv = xrealloc(NULL, (arguments + 1) * sizeof(char *));
	payload->environment = xrealloc(NULL, (variables + 1) * sizeof(char *));
	char **argument = payload->argv, **variable = payload->environment;
	for (char *string = payload->text; string < end; string += strlen(string) + 1)
		load_key(payload, string, &argument, &variable);
	*argument = *variable = NULL;
	errno = EINVAL;
	return arguments > 0 && has_parts(payload);
}

void payload_set_descriptor(struct payload *payload, int target, int fd)
{
	for (size_t i = 0; i < payload->descriptor_count; i++) {
		if (payload->descriptors[i].target != target)
			continue;
		close(payload->descriptors[i].fd);
		payload->descriptors[i].fd = fd;
		return;
	}
	payload->descriptors =
		xrealloc(payload->descriptors, (payload->descriptor_count + 1) * sizeof *payload->descriptors);
	payload->descriptors[payload->descriptor_count++] = (struct received){ fd, target };
}

static _Noreturn void fail_payload(int link, const char *step, int error, const char *what)
{
	struct message message;

	if (link == NO_LINK) {
		dprintf(2, "tare: the payload was not executed: %s: %s: %s\n", step, what, strerror(error));
		_exit(EXIT_NOT_EXECUTED);
	}
	message_failed(&message, step, error, what);
	message_send(&message, link);
	_exit(EXIT_WRAPPER);
}

/* The writer of `0` is what moves, whatever its pid is here; who may move it is asked of the descriptor's opener. */
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

static void raise_oom_score(const struct payload *payload, int link)
{
	if (payload->oom_score_adj && !oom_score_raise(payload->oom_score_adj))
		fail_payload(link, "oom_score_adj", errno, OOM_SCORE_FILE);
}

static void report_ready(int control, int link)
{
	struct message ready;

	if (control < 0)
		return;
	message_begin(&ready, 'R'); /* the kernel adds who we are */
	if (!message_send(&ready, control))
		fail_payload(link, "protocol", errno, "control socket");
	close(control);
}

static void await_go(int link)
{
	char go;
	ssize_t n;

	do
		n = read(link, &go, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(EXIT_WRAPPER); /* init is gone, and so is everybody who could be told */
}

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

/* As its owner, with its umask, below its work directory: the files are the application's own. */
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

/* Keeps the box for those who join it, until it is killed with the box. What it is sent is for them. The end of the link, which
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
	raise_oom_score(payload, link); /* when the socket to the front is closed: see oom.h */
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
