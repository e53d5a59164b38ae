/* The front between a brain (`b` before a frame), an init (`i`) and their ends (`x`, `y`; `g`: the engine's): whatever they say, it
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

enum { ENGINE = 5000000, BRAIN = 6000000 };

void __wrap_ending_say(const char *text);
void __wrap_ending_say(const char *text)
{
}

pid_t __wrap_brain_start(const struct brain_file *file, const struct caller *caller, bool command_line, int socket, const int output[2]);
pid_t __wrap_brain_start(const struct brain_file *file, const struct caller *caller, bool command_line, int socket, const int output[2])
{
	return BRAIN;
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

static void step_of(struct front *front, struct script *script, int brain, int *init)
{
	struct rusage usage = { 0 };
	struct box *box = &front->box;

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
		if (front->talk.channel.fd < 0)
			break;
		script_write(script, brain);
		orders_read(front);
		drain(brain);
	}
	if (script->frame.data)
		message_free(&script->frame);
	if (box_settle(box) == BOX_GONE)
		succession_box_gone(front);
	/* a brain that was followed by another: its socket is the other's */
	if (front->talk.channel.fd < 0 && front->talk.pid)
		broken("a brain has a socket");
}

static bool is_end(int status)
{
	return WIFEXITED(status) || (WIFSIGNALED(status) && WTERMSIG(status) <= SIG_LAST);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *argv[] = { (char *)"tare-wrap", (char *)"true", NULL }, *environment[] = { (char *)"A=1", NULL };
	static struct front front;
	static struct caller caller;
	static int brain, init;
	static struct script script;

	caller = (struct caller){ .argc = 2, .argv = argv, .environment = environment, .cwd = (char *)"/", .terminal = -1 };
	memset(&front, 0, sizeof front);
	box_begin(&front.box, &caller, &front.talk, &front.terminal);
	terminal_begin(&front.terminal, &caller, &front.box.control);
	front.talk.caller = &caller;
	front.talk.speech.streams[0] = front.talk.speech.streams[1] = (struct stream){ .from = -1, .to = -1 };
	brain = pair(&front.talk.channel);
	front.talk.pid = front.talk.past[front.talk.started++] = BRAIN;
	init = -1;
	world_child = ENGINE;
	script = (struct script){ .at = data, .end = data + size };
	if (!setjmp(world_end))
		while (!front.ending.due && !front.ending.alone && script_next(&script))
			step_of(&front, &script, brain, &init);
	if (!is_end(front.ending.status) || !is_end(front.box.status))
		broken("the front ends as a process can end");
	free(front.talk.directory);
	for (size_t i = 0; i < front.talk.told_count; i++)
		message_free(&front.talk.told[i]);
	free(front.talk.told);
	free(front.ending.words);
	free(front.patience.doing);
	free(front.box.job.kept);
	channel_close(&front.talk.channel);
	if (front.box.there) {
		channel_close(&front.box.control);
		for (size_t i = 0; front.box.specifications && i < front.box.launch.command_count; i++)
			if (front.box.specifications[i] >= 0)
				close(front.box.specifications[i]);
		free(front.box.specifications);
		free(front.box.cgroups);
		free(front.box.seats);
		launch_free(&front.box.launch);
		if (front.box.errors >= 0)
			close(front.box.errors);
	}
	close(brain);
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
