/* What init takes before it begins: payloads, cgroups and descriptors (`d` before a frame: one comes with it). */
#include "world.h"
#include "../init.c"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* What the shim would have written down: the frame's own strings. */
static int specification(const struct script *script)
{
	int memfd = memfd_create("payload", MFD_CLOEXEC);

	if (memfd < 0 || !write_all(memfd, script->frame.data + 5, script->frame.size - 5))
		broken("a memfd");
	return memfd;
}

/* Into a socket that is not read meanwhile: what has no room is left away. */
static void send_with(struct script *script, int socket)
{
	struct pollfd ready = { .fd = socket, .events = POLLOUT };

	if (poll(&ready, 1, 0) != 1) {
		message_free(&script->frame);
		return;
	}
	int fd = specification(script);

	message_add_fd(&script->frame, fd);
	message_send(&script->frame, socket);
	close(fd);
}

static void release(struct init *init)
{
	for (size_t i = 0; i < init->count; i++) {
		struct payload *payload = &init->payloads[i];
		payload_release(payload);
		for (size_t k = 0; k < payload->cgroup_count; k++)
			close(payload->cgroups[k].fd);
		free(payload->cgroups);
	}
	for (size_t i = 0; i < init->descriptor_count; i++)
		close(init->descriptors[i].fd);
	free(init->descriptors);
	free(init->payloads);
	channel_close(&init->control);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct init init;
	static int ends[2];
	struct script script = { .at = data, .end = data + size };

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		broken("a socket");
	init = (struct init){ 0 };
	channel_open(&init.control, ends[0]);
	while (script_next(&script)) {
		if (script.frame.size > 60000)
			message_free(&script.frame);
		else if (script.key == 'd')
			send_with(&script, ends[1]);
		else
			script_write(&script, ends[1]);
		if (script.at >= script.end || script.frame.size > 2000)
			break;
	}
	shutdown(ends[1], SHUT_WR);
	if (!setjmp(world_end)) {
		prepare(&init);
		for (size_t i = 0; i < init.count; i++)
			if (!init.payloads[i].argv[0])
				broken("each payload has a program");
	}
	release(&init);
	close(ends[1]);
	return 0;
}
