/* See machine_system.h. Nothing of the box sees this process: init has PIDs and mounts of its own. */
#include "machine_system.h"
#include "failed.h"
#include "generated/protocol.h"
#include "init.h"
#include "machine_frames.h"
#include "machine_mounts.h"
#include "namespaces.h"
#include "util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONTROL = 3, PORT_WAIT_MS = 20000, LOOK_MS = 5, FILES_MOST = 1 << 30, MEMORY_LOOK_MS = 250 };

/* A stream's end that the payload gets, until it was sent. */
struct payload_end {
	uint32_t number;
	enum stream_way way;
	int fd;
};

struct machine_system {
	struct port port;
	struct channel init; /* to init */
	struct payload_end *ends;
	size_t end_count;
	long long looked_us; /* when it was last looked for that (monotonic_us) */
	bool short_of_memory; /* this kernel has killed for memory, and init was told to kill the rest */
	bool init_over;
};

/* The node sees the port end. */
static _Noreturn void power_off(const char *what)
{
	if (what)
		dprintf(2, "tare: in the machine: %s: %s\n", what, strerror(errno));
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

/* The device of the port, the only one of its kind; -1: it does not come. */
static int open_port(void)
{
	for (int waited = 0; waited < PORT_WAIT_MS; waited += LOOK_MS) {
		DIR *devices = opendir("/dev");
		const struct dirent *entry;
		int fd = -1;
		while (devices && fd < 0 && (entry = readdir(devices))) {
			char *path = xprintf("/dev/%s", entry->d_name);
			if (!strncmp(entry->d_name, "vport", 5))
				fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
			free(path);
		}
		if (devices)
			closedir(devices);
		if (fd >= 0)
			return fd;
		usleep(LOOK_MS * 1000);
	}
	errno = ENODEV;
	return -1;
}

/* The only network that there is. */
static void raise_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		ioctl(fd, SIOCSIFFLAGS, &request);
	close_kept(fd);
}

/* The payload gets the limits of the caller (getrlimit(2)), which may be above those of this kernel's process 1. */
static void lift_limits(void)
{
	char *most = xprintf("%d", FILES_MOST);
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	for (int resource = 0; resource < RLIM_NLIMITS; resource++)
		if (resource != RLIMIT_NOFILE)
			setrlimit((__rlimit_resource_t)resource, &limit);
	if (write_file("/proc/sys/fs/nr_open", most)) {
		limit.rlim_cur = limit.rlim_max = FILES_MOST;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	free(most);
}

/* A payload that asks for more than there is gets it, and is killed when it uses it: as on the node, whose memory is more than the limit. */
static void promise_memory(void)
{
	write_file("/proc/sys/vm/overcommit_memory", "1");
}

/* Mounts the box's root and becomes init. */
static _Noreturn void become_init_inside(char *orders, size_t size, int control)
{
	const char *what = NULL;
	struct message message;

	lift_limits();
	if (!own_mounts() || !machine_mounts_make(orders, size, &what)) {
		message_failed(&message, "engine", errno, what ? what : "mounts of its own");
		message_send(&message, control);
		close_and_exit(EXIT_WRAPPER);
	}
	if (control != CONTROL && dup2(control, CONTROL) < 0)
		close_and_exit(EXIT_WRAPPER);
	init_main("3");
}

/* Of all processes, since this kernel started (proc(5), /proc/vmstat). */
static unsigned memory_kills(void)
{
	FILE *counts = fopen("/proc/vmstat", "re");
	unsigned kills = 0;
	char line[128];

	while (counts && fgets(line, sizeof line, counts))
		if (sscanf(line, "oom_kill %u", &kills) == 1)
			break;
	if (counts)
		fclose(counts);
	return kills;
}

static void tell_over(struct port *port)
{
	char kills[4];

	put_number(kills, sizeof kills, memory_kills());
	port_send(port, LETTER_OVER, 0, kills, sizeof kills);
}

/* Starts init with PIDs of its own. */
static bool start_init(struct machine_system *system, const struct letter *letter)
{
	int control[2];

	if (system->init.fd >= 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) || unshare(CLONE_NEWPID))
		return false;
	pid_t pid = fork();
	if (pid == 0) {
		char *orders = xrealloc(NULL, letter->size + 1);
		memcpy(orders, letter->bytes, letter->size);
		orders[letter->size] = 0;
		close(control[0]);
		become_init_inside(orders, letter->size, control[1]);
	}
	close(control[1]);
	channel_open(&system->init, control[0]);
	return pid > 0;
}

static int file_in_memory(const struct enclosure *enclosure)
{
	int fd = memfd_create("tare-specification", MFD_CLOEXEC);

	if (fd >= 0 && !write_all(fd, enclosure->bytes, enclosure->size))
		close_once(&fd);
	return fd;
}

/* A stream that is new here: pipes, which do not block on this side. */
static int new_stream(struct port *port, const struct enclosure *enclosure)
{
	int pair[2], again;

	if (enclosure->way == WAY_BOTH) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) || (again = fcntl(pair[0], F_DUPFD_CLOEXEC, 3)) < 0)
			return -1;
		port_add(port, enclosure->number, pair[0], again);
		return pair[1];
	}
	if (pipe2(pair, O_CLOEXEC))
		return -1;
	bool writes = enclosure->way == WAY_WRITE;
	fcntl(pair[writes ? 0 : 1], F_SETFL, O_NONBLOCK);
	port_add(port, enclosure->number, writes ? pair[0] : -1, writes ? -1 : pair[1]);
	return pair[writes ? 1 : 0];
}

/* What the payload gets for a stream; -1: it cannot be made. */
static int payload_end_of(struct machine_system *system, const struct enclosure *enclosure)
{
	for (size_t i = 0; i < system->end_count; i++)
		if (system->ends[i].number == enclosure->number)
			return system->ends[i].way == enclosure->way ? system->ends[i].fd : -1;
	int fd = new_stream(&system->port, enclosure);
	if (fd < 0)
		return -1;
	system->ends = xrealloc(system->ends, (system->end_count + 1) * sizeof *system->ends);
	system->ends[system->end_count++] = (struct payload_end){ enclosure->number, enclosure->way, fd };
	return fd;
}

/* A reader of a stream must see its end when the payload closes it. */
static void close_payload_ends(struct machine_system *system)
{
	for (size_t i = 0; i < system->end_count; i++)
		close(system->ends[i].fd);
	system->end_count = 0;
}

/* Passes a frame of the shim's on to init. It is sent whole: until it begins init does nothing but read. */
static bool take_frame_letter(struct machine_system *system, const struct letter *letter)
{
	struct frame_letter opened;
	struct enclosure enclosure;
	struct frame frame;
	struct message message;
	const char *string;
	int file = -1;

	if (system->init.fd < 0 || !open_frame_letter(&opened, letter))
		return system->init_over;
	message_begin(&message, 0);
	while (opened.count) {
		if (!next_enclosure(&opened, &enclosure) || message.fd_count == FRAME_FDS)
			return false;
		int fd = enclosure.bytes ? (file = file_in_memory(&enclosure)) : payload_end_of(system, &enclosure);
		if (fd < 0)
			return false;
		message_add_fd(&message, fd);
	}
	if (!letter_frame(&opened, &frame))
		return false;
	message.data[4] = frame.tag;
	while ((string = frame_string(&frame)))
		message_add(&message, string);
	bool sent = message_send(&message, system->init.fd) || errno == EPIPE;
	close_kept(file);
	if (frame.tag == FRAME_BEGIN)
		close_payload_ends(system);
	return sent;
}

static bool take_letter_of_node(void *context, const struct letter *letter)
{
	struct machine_system *system = context;

	switch (letter->kind) {
	case LETTER_BOOT:
		return start_init(system, letter);
	case LETTER_FRAME:
		return take_frame_letter(system, letter);
	case LETTER_HANG_UP:
		if (system->init.fd >= 0)
			shutdown(system->init.fd, SHUT_WR);
		return true;
	default:
		return false;
	}
}

/* Passes init's frames on. At its end nothing of the box is left: its PID namespace ended with it. */
static void read_init(struct machine_system *system)
{
	struct frame frame;
	struct enclosures none = { 0 };
	bool at_end = channel_receive(&system->init) == CHANNEL_END;

	while (channel_next(&system->init, &frame) == FRAME_WHOLE)
		send_frame_letter(&system->port, &frame, &none);
	if (!at_end)
		return;
	channel_close(&system->init);
	close_payload_ends(system);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	sync();
	system->init_over = true;
}

/* As with a control group of the node: where a process was killed for memory, the rest of the payload is. */
static void look_at_memory(struct machine_system *system)
{
	long long now = monotonic_us();

	if (now - system->looked_us < MEMORY_LOOK_MS * 1000LL)
		return;
	system->looked_us = now;
	if (!memory_kills())
		return;
	system->short_of_memory = true;
	shutdown(system->init.fd, SHUT_WR);
}

/* One turn of the loop. False: the node is gone, or says what cannot be understood. */
static bool relay_inside(struct machine_system *system)
{
	size_t polls = PORT_POLLS(system->port.stream_count);
	struct pollfd *ready = xrealloc(NULL, (polls + 1) * sizeof *ready), *own = ready + polls;

	port_wanted(&system->port, ready);
	*own = (struct pollfd){ .fd = system->init.fd, .events = POLLIN };
	bool looks = system->init.fd >= 0 && !system->short_of_memory;
	bool heard = poll(ready, polls + 1, looks ? MEMORY_LOOK_MS : -1) >= 0;
	if (looks)
		look_at_memory(system);
	bool served = !heard || port_serve(&system->port, ready);
	if (heard && own->revents && system->init.fd >= 0)
		read_init(system);
	free(ready);
	return served;
}

_Noreturn void machine_system_main(void)
{
	static struct machine_system system;
	bool told = false;

	if (mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, NULL))
		power_off("devtmpfs");
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		power_off("/proc");
	promise_memory();
	signal(SIGPIPE, SIG_IGN);
	raise_loopback();
	system.port = (struct port){ .fd = open_port(), .sole = true, .patient = true, .take = take_letter_of_node, .context = &system };
	channel_open(&system.init, -1);
	if (system.port.fd < 0)
		power_off("the port to the node");
	while (relay_inside(&system))
		if (system.init_over && !told && port_is_quiet(&system.port)) {
			told = true;
			tell_over(&system.port);
		}
	power_off("the port to the node");
}
