/* See machine.h. */
#include "machine.h"
#include "failed.h"
#include "generated/protocol.h"
#include "machine_descriptors.h"
#include "machine_frames.h"
#include "machine_options.h"
#include "machine_parts.h"
#include "machine_reports.h"
#include "machine_tree.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	CONTROL = 3,
	/* From the shim's last word to the end of the machine: it gives up after 10 s. */
	LAST_WORDS_MS = 8000,
};

struct machine {
	struct machine_options options;
	struct machine_parts parts;
	struct channel control; /* to the shim */
	struct port port;
	struct machine_descriptors descriptors;
	int *groups; /* of the command that came last */
	size_t group_count;
	bool begun, broken, over; /* all is prepared; the shim or the machine is not to be understood; init in the machine has ended */
	long long hung_up_us; /* CLOCK_MONOTONIC: the shim said its last word; 0: it did not */
	struct machine_reports reports;
};

/* Tells the shim and ends. */
static _Noreturn void fail_machine(struct machine *machine, const char *step_name, int error, const char *what)
{
	struct message message;

	message_failed(&message, step_name, error, what);
	message_send(&message, machine->control.fd);
	machine_parts_end(&machine->parts);
	close_and_exit(EXIT_WRAPPER);
}

/* Encloses the caller's descriptors that came with the frame. False: fewer came. */
static bool enclose_descriptors(struct machine *machine, const struct frame *frame, struct enclosures *enclosures)
{
	struct descriptors_frame descriptors;
	long target;

	if (!read_descriptors_frame(frame, &descriptors))
		return false;
	while (frame_number(&descriptors.targets, 0, INT_MAX, &target)) {
		int fd = channel_take_fd(&machine->control);
		if (fd < 0)
			return false;
		machine_enclose_descriptor(&machine->descriptors, &machine->port, enclosures, fd, target);
	}
	return true;
}

static void forget_groups(struct machine *machine)
{
	for (size_t i = 0; i < machine->group_count; i++)
		close(machine->groups[i]);
	machine->group_count = 0;
}

/* A command's specification; groups that follow are its own. */
static bool enclose_specification(struct machine *machine, struct enclosures *enclosures)
{
	int file = channel_take_fd(&machine->control);
	bool done = file >= 0 && enclose_file(enclosures, file);

	close_kept(file);
	forget_groups(machine);
	return done;
}

/* The machine is in the groups of the command that comes last, the payload: it has none of its own inside. */
static bool take_group(struct machine *machine)
{
	int group = channel_take_fd(&machine->control);

	if (group < 0)
		return false;
	machine->groups = xrealloc(machine->groups, (machine->group_count + 1) * sizeof(int));
	machine->groups[machine->group_count++] = group;
	return true;
}

/* What the machine mounts, in a letter. */
static void send_boot_letter(struct machine *machine)
{
	char *text = NULL;
	size_t size = 0;

	for (size_t i = 0; i < machine->options.order_count; i++) {
		const struct machine_order *order = &machine->options.orders[i];
		int words = machine_order_words(order->name, true);
		for (int k = -1; k < words; k++) {
			const char *word = k < 0 ? order->name : order->words[k];
			text = xrealloc(text, size + strlen(word) + 1);
			memcpy(text + size, word, strlen(word) + 1);
			size += strlen(word) + 1;
		}
	}
	port_send(&machine->port, LETTER_BOOT, 0, text, size);
	free(text);
}

/* All is prepared: starts the machine. */
static void begin_machine(struct machine *machine)
{
	const char *what = NULL;

	machine_forget_descriptors(&machine->descriptors);
	if (!machine_parts_start(&machine->parts, &machine->options, machine->groups, machine->group_count, &what))
		fail_machine(machine, "engine", errno, what);
	forget_groups(machine);
	machine->port.fd = machine->parts.port;
	machine->begun = true;
}

/* Passes one frame of the shim's on. */
static void pass_shim_frame(struct machine *machine, const struct frame *frame)
{
	struct enclosures enclosures = { 0 };
	bool taken = true;

	if (!machine->begun && frame->tag == FRAME_CGROUP) {
		machine->broken = !take_group(machine);
		return;
	}
	if (!machine->begun && frame->tag == FRAME_TERMINAL)
		fail_machine(machine, "terminal", 0, "a virtual machine has no terminal of the caller's: give the job files or pipes");
	if (!machine->begun && frame->tag == FRAME_PAYLOAD)
		taken = enclose_specification(machine, &enclosures);
	else if (!machine->begun && frame->tag == FRAME_DESCRIPTORS)
		taken = enclose_descriptors(machine, frame, &enclosures);
	if (!taken)
		fail_machine(machine, "descriptors", errno, "what was sent for init");
	machine_reports_note_order(&machine->reports, frame);
	send_frame_letter(&machine->port, frame, &enclosures);
	if (!machine->begun && frame->tag == FRAME_BEGIN)
		begin_machine(machine);
}

static void read_shim(struct machine *machine)
{
	struct frame frame;
	enum frame_got got = FRAME_NONE;
	bool at_end = channel_receive(&machine->control) == CHANNEL_END;

	while (!machine->broken && (got = channel_next(&machine->control, &frame)) == FRAME_WHOLE)
		pass_shim_frame(machine, &frame);
	if (!at_end && got == FRAME_NONE)
		return;
	if (!machine->begun)
		machine->broken = true;
	machine->hung_up_us = monotonic_us();
	port_send(&machine->port, LETTER_HANG_UP, 0, NULL, 0);
}

static bool take_letter_of_machine(void *context, const struct letter *letter)
{
	struct machine *machine = context;

	if (letter->kind == LETTER_FRAME)
		return machine_reports_take(&machine->reports, &machine->control, letter);
	if (letter->kind != LETTER_OVER || letter->size != 4)
		return false;
	long kills = (long)get_number(letter->bytes, 4);
	if (kills)
		machine_reports_memory_kills(&machine->control, kills);
	return machine->over = true;
}

/* Ends both programs, and tells the shim how it came to this. */
static _Noreturn void finish_machine(struct machine *machine)
{
	int status = machine_parts_end(&machine->parts);

	if (!machine->over && status >= 0) {
		char *words = xprintf(WIFSIGNALED(status) ? "tare: qemu ended by signal %d\n" : "tare: qemu ended with %d\n",
				      WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		write_all(2, words, strlen(words));
		free(words);
		/* as the kernel kills what is over its memory, and nothing that qemu does to itself */
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			machine_reports_killed(&machine->reports, &machine->control);
	}
	while (machine->control.out && machine->control.fd >= 0) {
		struct pollfd room = { .fd = machine->control.fd, .events = POLLOUT };
		if (poll(&room, 1, LAST_WORDS_MS) <= 0)
			break;
		channel_flush(&machine->control);
	}
	close_and_exit(machine->over ? 0 : EXIT_WRAPPER);
}

/* One turn of the loop. */
static void relay_once(struct machine *machine)
{
	size_t streams = machine->port.stream_count, polls = PORT_POLLS(streams);
	struct pollfd *ready = xrealloc(NULL, (polls + 2) * sizeof *ready), *own = ready + polls;
	int timeout = machine->hung_up_us ? (int)(LAST_WORDS_MS - (monotonic_us() - machine->hung_up_us) / 1000) : -1;

	if (machine->begun)
		port_wanted(&machine->port, ready);
	else
		for (size_t i = 0; i < polls; i++)
			ready[i] = (struct pollfd){ .fd = -1 };
	own[0] = (struct pollfd){ .fd = machine->hung_up_us && !machine->control.out ? -1 : machine->control.fd,
				  .events = (short)((machine->hung_up_us ? 0 : POLLIN) | (machine->control.out ? POLLOUT : 0)) };
	own[1] = (struct pollfd){ .fd = machine->parts.alive, .events = POLLIN };
	int count = timeout < 0 && machine->hung_up_us ? 0 : poll(ready, polls + 2, timeout);
	if (count == 0 || (count < 0 && errno != EINTR) || (machine->begun && own[1].revents))
		machine->broken = true;
	if (count > 0 && machine->begun && !port_serve(&machine->port, ready))
		machine->broken = true;
	if (count > 0 && own[0].revents & POLLOUT)
		channel_flush(&machine->control);
	if (count > 0 && own[0].revents & ~POLLOUT && !machine->hung_up_us)
		read_shim(machine);
	free(ready);
}

_Noreturn void machine_main(int argc, char **argv)
{
	static struct machine machine = { .parts = { .alive = -1, .port = -1 }, .port = { .fd = -1 } };
	const char *what = NULL;
	struct message message;

	prctl(PR_SET_DUMPABLE, 0);
	/* ways to what is mounted are the payload's too */
	umask(022);
	/* neither program gets what the shim hands on for init */
	if (syscall(SYS_close_range, CONTROL, ~0U, CLOSE_RANGE_CLOEXEC) || fcntl(CONTROL, F_GETFD) < 0)
		die("tare-machine: descriptors: %s", strerror(errno));
	channel_open(&machine.control, CONTROL);
	machine.port.take = take_letter_of_machine;
	machine.port.context = &machine;
	if (!machine_options_read(&machine.options, argc, argv))
		fail_machine(&machine, "engine", 0, "the command line of tare-machine cannot be understood");
	if (!machine_tree_make(&machine.options, &what) || !machine_parts_load(&machine.parts, &machine.options, &what))
		fail_machine(&machine, "engine", errno, what);
	send_boot_letter(&machine);
	message_begin(&message, FRAME_INIT_HERE);
	message_send(&message, CONTROL);
	while (!machine.broken && !machine.over)
		relay_once(&machine);
	finish_machine(&machine);
}
