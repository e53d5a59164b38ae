/* init of several applications: orders of the shim (`f` before a frame), reports of the first keeper (`k`), and its end (`r`). */
#include "world.h"
#include "../applications.c"

#include <stdlib.h>
#include <sys/socket.h>

bool __wrap_kill_all(const struct reaper *reaper);
bool __wrap_kill_all(const struct reaper *reaper)
{
	return true;
}

size_t __wrap_kill_children(bool (*spare)(pid_t pid, const void *context), const void *context);
size_t __wrap_kill_children(bool (*spare)(pid_t pid, const void *context), const void *context)
{
	return 0;
}

bool __wrap_step(const char *pause, const char *name, int lifeline);
bool __wrap_step(const char *pause, const char *name, int lifeline)
{
	return false;
}

enum { COUNT = 3 };

static void drain(int socket)
{
	char bytes[65536];

	while (recv(socket, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct payload payloads[COUNT];
	static struct application applications[COUNT];
	static struct applications box;
	static struct script script;
	static int shim[2], keeper[2];
	static const struct rusage usage;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, shim) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, keeper))
		broken("a socket");
	world_child = 5000000;
	memset(applications, 0, sizeof applications);
	for (int i = 0; i < COUNT; i++) {
		payloads[i] = (struct payload){ .name = "name", .service = i == 1, .guest.host = -1 };
		applications[i].payload = &payloads[i];
		channel_open(&applications[i].control, -1);
	}
	channel_open(&applications[0].control, keeper[0]);
	applications[0].keeper = 4000000;
	applications[0].start = 1;
	box = (struct applications){ .applications = applications, .count = COUNT, .lock = -1 };
	box.reaper = (struct reaper){ .reaped = child_reaped, .context = &box };
	box.sum.largest_process_bytes = box.sum.ended_us = -1;
	channel_open(&box.control, shim[0]);
	script = (struct script){ .at = data, .end = data + size };
	if (!setjmp(world_end)) {
		while (!box.ending && script_next(&script)) {
			if (script.key == 'r') {
				message_free(&script.frame);
				if (applications[0].keeper) {
					shutdown(keeper[1], SHUT_WR);
					child_reaped(&box, applications[0].keeper, 0, &usage, false);
				}
			} else if (script.key == 'k') {
				script_write(&script, keeper[1]);
				if (applications[0].control.fd >= 0)
					read_keeper(&box, &applications[0]);
			} else {
				script_write(&script, shim[1]);
				applications_read_orders(&box);
			}
			settle_lost(&box);
			drain(shim[1]);
			drain(keeper[1]);
		}
	}
	for (int i = 0; i < COUNT; i++) {
		if (applications[i].keeper && applications[i].start < 1)
			broken("a keeper keeps a start");
		channel_close(&applications[i].control);
		if (applications[i].failed.data)
			message_free(&applications[i].failed);
	}
	channel_close(&box.control);
	close(shim[1]);
	close(keeper[1]);
	return 0;
}
