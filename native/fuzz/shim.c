/* The shim between a supervisor (`b` before a frame), an init (`i`) and their ends (`x`, `y`; `g`: the engine's): whatever they say, it
 * goes on or ends. */
#include "world.h"
#include "../box_end.h"
#include "../box_watch.h"
#include "../orders.h"
#include "../parts.h"
#include "../payload_run.h"
#include "../state.h"
#include "../step.h"
#include "../succession.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ENGINE = 5000000, SUPERVISOR = 6000000 };

void __wrap_ending_say(const char *text);
void __wrap_ending_say(const char *text)
{
}

pid_t __wrap_supervisor_start(const struct supervisor_file *file, const struct caller *caller, bool command_line, int socket,
			      const int output[2]);
pid_t __wrap_supervisor_start(const struct supervisor_file *file, const struct caller *caller, bool command_line, int socket,
			      const int output[2])
{
	return SUPERVISOR;
}

_Noreturn void __wrap_payload_replace(const struct payload *payload);
_Noreturn void __wrap_payload_replace(const struct payload *payload)
{
	longjmp(world_end, 1);
}

bool __wrap_step(const char *pause, const char *name, int lifeline);
bool __wrap_step(const char *pause, const char *name, int lifeline)
{
	return false;
}

int __wrap_parts_make(const char *place);
int __wrap_parts_make(const char *place)
{
	return -1;
}

size_t __wrap_kill_children(bool (*spare)(pid_t pid, const void *context), const void *context);
size_t __wrap_kill_children(bool (*spare)(pid_t pid, const void *context), const void *context)
{
	return 0;
}

static int pair(struct channel *channel)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		broken("a socket");
	channel_open(channel, ends[0]);
	return ends[1];
}

static void drain(int socket)
{
	char bytes[65536];

	while (recv(socket, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
		;
}

static void step_of(struct shim *shim, struct script *script, int supervisor, int *init)
{
	struct rusage usage = { 0 };
	struct box *box = &shim->box;

	switch (script->key) {
	case 'i':
		/* in the engine's place: what was forked has this socket */
		if (!box->there || box->control.fd < 0)
			break;
		if (*init < 0) {
			close(box->control.fd);
			*init = pair(&box->control);
			box->control.sender = 7000000;
		}
		script_write(script, *init);
		box_read(box);
		drain(*init);
		break;
	case 'g':
		box_reaped(box, ENGINE, 256, &usage);
		break;
	case 'y':
		if (*init >= 0)
			close(*init);
		*init = -1;
		if (box->there && box->control.fd >= 0)
			channel_close(&box->control);
		break;
	default:
		if (shim->link.channel.fd < 0)
			break;
		script_write(script, supervisor);
		orders_read(shim);
		drain(supervisor);
	}
	if (script->frame.data)
		message_free(&script->frame);
	if (box_settle(box) == BOX_GONE)
		succession_box_gone(shim);
	/* a supervisor that was followed by another: its socket is the other's */
	if (shim->link.channel.fd < 0 && shim->link.pid)
		broken("a supervisor has a socket");
}

static bool is_end(int status)
{
	return WIFEXITED(status) || (WIFSIGNALED(status) && WTERMSIG(status) <= SIG_LAST);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *argv[] = { (char *)"tare-wrap", (char *)"true", NULL }, *environment[] = { (char *)"A=1", NULL };
	static struct shim shim;
	static struct caller caller;
	static int supervisor, init;
	static struct script script;

	caller = (struct caller){ .argc = 2, .argv = argv, .environment = environment, .cwd = (char *)"/", .terminal = -1 };
	memset(&shim, 0, sizeof shim);
	box_begin(&shim.box, &caller, &shim.link, &shim.terminal);
	terminal_begin(&shim.terminal, &caller, &shim.box.control);
	shim.link.caller = &caller;
	shim.link.stdio.streams[0] = shim.link.stdio.streams[1] = (struct stream){ .from = -1, .to = -1 };
	supervisor = pair(&shim.link.channel);
	shim.link.pid = shim.link.past[shim.link.started++] = SUPERVISOR;
	init = -1;
	world_child = ENGINE;
	script = (struct script){ .at = data, .end = data + size };
	if (!setjmp(world_end))
		while (!shim.ending.due && !shim.ending.alone && script_next(&script))
			step_of(&shim, &script, supervisor, &init);
	if (!is_end(shim.ending.status) || !is_end(shim.box.status))
		broken("the shim ends as a process can end");
	free(shim.link.directory);
	for (size_t i = 0; i < shim.link.told_count; i++)
		message_free(&shim.link.told[i]);
	free(shim.link.told);
	free(shim.ending.words);
	free(shim.patience.doing);
	free(shim.box.job.kept);
	channel_close(&shim.link.channel);
	if (shim.box.there) {
		channel_close(&shim.box.control);
		for (size_t i = 0; shim.box.specifications && i < shim.box.launch.command_count; i++)
			if (shim.box.specifications[i] >= 0)
				close(shim.box.specifications[i]);
		free(shim.box.specifications);
		free(shim.box.cgroups);
		free(shim.box.app_slots);
		launch_free(&shim.box.launch);
		if (shim.box.errors >= 0)
			close(shim.box.errors);
	}
	close(supervisor);
	if (init >= 0)
		close(init);
	return 0;
}

/* A role that ends comes back here with what it holds. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
