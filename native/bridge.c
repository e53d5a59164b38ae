/* `tare-bridge FOLDER DESCRIPTORS [GROUP…] -- [IDENTITY [KIND SOURCE PLACE]…] -- [NAME=VALUE…] -- CLIENT…`, and `tare-connect SOCKET LIST …` at its
 * other end.
 *
 * A daemon hands no descriptor of its client's on to what it starts. So the folder, which the daemon binds into the box, has this program
 * and a socket: what is process 1 of the box connects to the socket, is sent all that an engine's child would have inherited, and becomes
 * init. The bridge stays as long as the client of the daemon and all that this leaves behind, and ends as the client does. A client that has
 * ended with 0 may have left the box to its daemon: then the bridge stays until init is gone. */
#include "bridge.h"
#include "arrange.h"
#include "init.h"
#include "reap.h"
#include "shown.h"
#include "sig.h"
#include "supervisor.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the bridge's folder, which only its account may enter: what the box sees of it. */
#define BOUND "at"
#define PROGRAM BOUND "/init"
#define SOCKET BOUND "/socket"

enum {
	CONTROL = 3, /* init's end of its socket to the shim, until init has it */
	HANDED = 100, /* so many descriptors at the most */
	/* A daemon that does not start a box by then never will: a job is not to wait for it for ever. */
	PATIENCE_US = 120 * 1000 * 1000,
	/* A client, and what it leaves behind, may tidy up so long when init has ended: a daemon that was killed does not tell its client of that. */
	TIDY_US = 10 * 1000 * 1000,
	/* The client has ended with 0, so what is process 1 of the box is being executed. */
	SOON_US = 10 * 1000 * 1000,
	END_LOOKS = 200,
	END_AGAIN_US = 10 * 1000,
	LOOK_MS = 1000,
	LOOK_SOON_MS = 20, /* for an end that wakes nobody */
};

/* What the bridge sends, with the descriptors. */
struct limits {
	struct rlimit of[RLIM_NLIMITS];
	size_t shown; /* bytes that follow, for shown_check() */
};

struct bridge {
	int count; /* of the descriptors from 0 on that init gets */
	char **groups; /* cgroup.procs files, up to `--` */
	struct shown shown;
	int listening; /* -1: init has connected */
	int ended; /* readable when a child has ended */
	pid_t client; /* 0: it has ended, by this status */
	int status;
	pid_t init; /* 0: nothing has connected */
	int init_ended; /* a pidfd of it; -1 before Linux 5.3 */
	long long since; /* of the start, then of the end of the client, then of the end of init */
};

/* Writes this program to a file in the box's part of the folder: its own place may be one that the daemon cannot read, such as a file system
 * of the network. */
static void copy_program(const char *folder)
{
	static char buffer[1 << 16];
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to = open(PROGRAM, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0555);
	ssize_t size = -1;

	while (from >= 0 && to >= 0 && (size = read(from, buffer, sizeof buffer)) > 0)
		if (!write_all(to, buffer, (size_t)size))
			die("tare-bridge: %s/" PROGRAM ": %s", folder, strerror(errno));
	if (size < 0 || fchmod(to, 0555))
		die("tare-bridge: %s/" PROGRAM ": %s", folder, strerror(errno));
	close(from);
	close(to);
}

/* The address of a socket; dies where the path is longer than the kernel takes (unix(7)). */
static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof address.sun_path)
		die("%s: the path of a socket has fewer than %zu bytes", path, sizeof address.sun_path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	return address;
}

/* Any process may connect that gets there, and only what is in the box does: nobody else may enter the folder. */
static int listen_in_folder(const char *folder)
{
	struct sockaddr_un address = address_of(SOCKET);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || chmod(SOCKET, 0666) || listen(fd, 1))
		die("tare-bridge: %s/" SOCKET ": %s", folder, strerror(errno));
	return fd;
}

static void make_folder(const char *folder)
{
	if (chdir(folder) || mkdir(BOUND, 0755) || chmod(BOUND, 0755))
		die("tare-bridge: %s/" BOUND ": %s", folder, strerror(errno));
	copy_program(folder);
}

/* Starts the client with the signal mask that the bridge was started with. Nothing but 0 to 2 is handed on to it. */
static pid_t run_client(char **argv, char **environment, sigmask mask)
{
	pid_t child = fork();

	if (child < 0)
		die("tare-bridge: fork: %s", strerror(errno));
	if (child > 0)
		return child;
	/* a client without its bridge tells nobody anything */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == 1)
		_exit(EXIT_WRAPPER);
	sig_set_mask(mask);
	execve(argv[0], argv, environment);
	die("%s: %s", argv[0], strerror(errno));
}

/* Sends what an engine's child would have inherited. False, with errno. */
static bool hand_over(int connection, const struct bridge *bridge)
{
	static struct limits limits;
	const int count = bridge->count;
	struct iovec piece = { .iov_base = &limits, .iov_len = sizeof limits };
	union {
		char bytes[CMSG_SPACE(sizeof(int) * HANDED)];
		struct cmsghdr align;
	} room;
	struct msghdr header = {
		.msg_iov = &piece, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count)
	};
	memset(&room, 0, sizeof room);
	struct cmsghdr *control = CMSG_FIRSTHDR(&header);
	control->cmsg_level = SOL_SOCKET;
	control->cmsg_type = SCM_RIGHTS;
	control->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
	for (int fd = 0; fd < count; fd++)
		memcpy(CMSG_DATA(control) + sizeof(int) * (size_t)fd, &fd, sizeof fd);
	for (int i = 0; i < (int)RLIM_NLIMITS; i++)
		if (getrlimit(i, &limits.of[i]))
			return false;
	limits.shown = bridge->shown.size;
	return sendmsg(connection, &header, MSG_NOSIGNAL) == (ssize_t)sizeof limits && write_all(connection, bridge->shown.text, bridge->shown.size);
}

/* A child would have inherited all of this from the bridge, and so from the caller; the daemon's child has the daemon's. A limit that is not raised here,
 * because this process may not, is raised by none: init finds that out. */
static void give_own(pid_t pid)
{
	struct rlimit limit;
	cpu_set_t cpus;
	int nice;

	for (int i = 0; i < (int)RLIM_NLIMITS; i++)
		if (getrlimit(i, &limit) || (prlimit(pid, i, &limit, NULL) && errno != EPERM))
			die("tare-bridge: the limits of init: %s", strerror(errno));
	if (sched_getaffinity(0, sizeof cpus, &cpus) || sched_setaffinity(pid, sizeof cpus, &cpus))
		die("tare-bridge: the CPUs of init: %s", strerror(errno));
	errno = 0;
	nice = getpriority(PRIO_PROCESS, 0); /* -1 is one too */
	if (errno || setpriority(PRIO_PROCESS, (id_t)pid, nice))
		die("tare-bridge: the nice value of init: %s", strerror(errno));
}

/* The daemon has put it into groups of its own, where nobody weighs it. @returns its number here */
static pid_t move_into_groups(const struct bridge *bridge, int connection)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof peer;

	if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) || peer.pid <= 0)
		die("tare-bridge: who has connected cannot be told (SO_PEERCRED)");
	char *pid = xprintf("%d\n", (int)peer.pid);
	for (char **group = bridge->groups; strcmp(*group, "--") != 0; group++) {
		int fd = open(*group, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || !write_all(fd, pid, strlen(pid)))
			die("tare-bridge: %s: %s", *group, strerror(errno));
		close(fd);
	}
	free(pid);
	return peer.pid;
}

/* The first that connects is init: nothing else is in the box. Its descriptors are its own from then on; this process keeps only 0 to 2. */
static void answer(struct bridge *bridge)
{
	int connection = accept4(bridge->listening, NULL, NULL, SOCK_CLOEXEC);

	if (connection < 0)
		return;
	bridge->init = move_into_groups(bridge, connection);
	bridge->init_ended = (int)syscall(SYS_pidfd_open, bridge->init, 0);
	give_own(bridge->init);
	if (!hand_over(connection, bridge))
		die("tare-bridge: what is for init cannot be sent: %s", strerror(errno));
	close(connection);
	close_once(&bridge->listening);
	unlink(SOCKET);
	for (int fd = CONTROL; fd < bridge->count; fd++)
		close(fd);
}

static bool init_is_gone(const struct bridge *bridge)
{
	struct pollfd gone = { .fd = bridge->init_ended, .events = POLLIN };

	return bridge->init_ended >= 0 ? poll(&gone, 1, 0) > 0 : kill(bridge->init, 0) && errno == ESRCH;
}

/* Whether the box is there, or will be at once, though its client has ended. */
static bool left_to_daemon(const struct bridge *bridge)
{
	return !bridge->client && !bridge->status && (bridge->init ? !init_is_gone(bridge) : bridge->listening >= 0);
}

/* What the client has left behind would be nobody's, where no group of the job's has it. One that dies leaves its children to this process. */
static void end_all_left(void)
{
	for (int looks = 0; looks < END_LOOKS && kill_children(NULL, NULL) > 0; looks++) {
		usleep(END_AGAIN_US);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

static _Noreturn void stop_waiting(const char *why)
{
	end_all_left();
	die("%s", why);
}

/* Ends as the client did, when that and what it has left behind have ended, such as a monitor of the box: that tidies up in the box's folder,
 * which is removed next. */
static void end_with_client(struct bridge *bridge)
{
	int status;
	pid_t pid;

	sig_take(SIGCHLD, 0);
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == bridge->client) {
			bridge->client = 0;
			bridge->status = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_WRAPPER;
			bridge->since = monotonic_us();
		}
	bool alone = pid < 0 && errno == ECHILD, here = bridge->init && !init_is_gone(bridge);
	if (here)
		bridge->since = monotonic_us();
	bool late = !here && monotonic_us() - bridge->since > TIDY_US;
	if (bridge->client && bridge->init && late)
		stop_waiting("the daemon does not tell its client that the box has ended");
	if (bridge->client || left_to_daemon(bridge))
		return;
	if (!alone && late)
		end_all_left();
	if (alone || late)
		_exit(bridge->status);
}

/* Waits until there may be something to do. */
static void look(struct bridge *bridge)
{
	bool left = left_to_daemon(bridge);
	struct pollfd ready[] = {
		{ .fd = bridge->ended, .events = POLLIN },
		{ .fd = bridge->listening, .events = POLLIN },
		/* its end alone: what the shim says is init's to read */
		{ .fd = bridge->listening < 0 ? -1 : CONTROL, .events = 0 },
		{ .fd = left ? bridge->init_ended : -1, .events = POLLIN },
	};

	if (poll(ready, 4, left && bridge->init_ended < 0 ? LOOK_SOON_MS : LOOK_MS) < 0)
		usleep(LOOK_MS * 20);
	if (bridge->listening >= 0 && ready[2].revents & (POLLHUP | POLLERR))
		stop_waiting("tare-bridge: the shim is gone");
	if (bridge->listening >= 0 && ready[1].revents & POLLIN)
		answer(bridge);
	if (bridge->listening < 0)
		return;
	if (monotonic_us() - bridge->since > (left ? SOON_US : PATIENCE_US))
		stop_waiting(left ? "the daemon says that it has started the box, and nothing has connected from there within 10 s"
				     : "the daemon has not started the box within 120 s");
}

/* What comes behind the next `--`; NULL: nothing does. */
static char **behind(char **words)
{
	while (*words && strcmp(*words, "--") != 0)
		words++;
	return *words && words[1] ? words + 1 : NULL;
}

/* The variables in front of `--`, behind those of every engine. The client's argv; NULL: there is none. */
static char **split(char **words, char **environment, size_t room)
{
	size_t count = 0;

	for (; clean_environment[count]; count++)
		environment[count] = clean_environment[count];
	for (; *words && strcmp(*words, "--") != 0; words++) {
		if (!strchr(*words, '=') || count + 1 >= room)
			return NULL;
		environment[count++] = *words;
	}
	environment[count] = NULL;
	return behind(words);
}

_Noreturn void bridge_main(int argc, char **argv)
{
	static char *environment[32];
	struct bridge bridge = { .ended = -1, .init_ended = -1, .groups = argv + 4 };
	long count = 0;
	char **shown = argc > 7 ? behind(argv + 4) : NULL, **variables = shown ? behind(shown) : NULL;
	char **client = variables ? split(variables, environment, sizeof environment / sizeof *environment) : NULL;

	prctl(PR_SET_NAME, "tare-bridge");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (!client || !shown_are(shown) || !parse_number(argv[3], 1, HANDED - CONTROL, &count))
		die("tare-bridge: FOLDER DESCRIPTORS [GROUP…] -- [IDENTITY [KIND SOURCE PLACE]…] -- [NAME=VALUE…] -- CLIENT…");
	bridge.count = CONTROL + (int)count;
	for (int fd = CONTROL; fd < bridge.count; fd++)
		if (!set_cloexec(fd, true))
			die("tare-bridge: descriptor %d: %s", fd, strerror(errno));
	sigmask mask = sig_set_mask(SIG_EVERY);
	shown_find(&bridge.shown, shown);
	bridge.ended = sig_open(SIG_BIT(SIGCHLD));
	make_folder(argv[2]);
	bridge.listening = listen_in_folder(argv[2]);
	bridge.since = monotonic_us();
	bridge.client = run_client(client, environment, mask);
	for (;;) {
		look(&bridge);
		end_with_client(&bridge);
	}
}

/* Takes what the bridge sends. @returns how many; -1 with errno */
static int receive(int connection, int *fds, struct limits *limits)
{
	struct iovec piece = { .iov_base = limits, .iov_len = sizeof *limits };
	union {
		char bytes[CMSG_SPACE(sizeof(int) * HANDED)];
		struct cmsghdr align;
	} room;
	struct msghdr header = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = sizeof room.bytes };
	ssize_t got;

	do
		got = recvmsg(connection, &header, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	struct cmsghdr *control = got == (ssize_t)sizeof *limits ? CMSG_FIRSTHDR(&header) : NULL;
	if (!control || control->cmsg_type != SCM_RIGHTS || header.msg_flags & MSG_CTRUNC) {
		errno = got < 0 ? errno : EPROTO;
		return -1;
	}
	int count = (int)((control->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(fds, CMSG_DATA(control), sizeof(int) * (size_t)count);
	return count;
}

/* Puts descriptors in order from 0 on, first out of the way of each other. False, with errno. */
static bool place(int *fds, int count)
{
	for (int i = 0; i < count; i++)
		if ((fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, count)) < 0)
			return false;
	for (int i = 0; i < count; i++)
		if (dup2(fds[i], i) < 0)
			return false;
	return true;
}

/* Those that the bridge could not give from outside. False, with errno. */
static bool take_limits(const struct limits *limits)
{
	struct rlimit own;

	for (int i = 0; i < (int)RLIM_NLIMITS; i++) {
		const struct rlimit *wanted = &limits->of[i];
		if (getrlimit(i, &own) || ((own.rlim_cur != wanted->rlim_cur || own.rlim_max != wanted->rlim_max) && setrlimit(i, wanted)))
			return false;
	}
	return true;
}

_Noreturn void connect_main(const char *socket_path, const char *descriptors, char **arrangements)
{
	const char *what = NULL;
	struct sockaddr_un address = address_of(socket_path);
	static struct limits limits;
	struct shown shown = { 0 };
	int fds[HANDED], count, connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	prctl(PR_SET_DUMPABLE, 0);
	if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof address))
		die("tare-connect: %s: %s", socket_path, strerror(errno));
	if ((count = receive(connection, fds, &limits)) < 0)
		die("tare-connect: what the bridge sent: %s", strerror(errno));
	shown_receive(&shown, connection, limits.shown);
	if (!place(fds, count))
		die("tare-connect: what the bridge sent: %s", strerror(errno));
	if (!take_limits(&limits))
		die("tare-connect: the caller's limits: %s", strerror(errno));
	if (*arrangements && !arrange(arrangements, &what))
		die("tare-connect: %s: %s", what, strerror(errno));
	shown_check(&shown);
	/* what the daemon left open, and the socket, init closes */
	init_main(descriptors);
}
