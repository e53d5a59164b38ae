/* The keeper of a payload: orders of the shim or of init (`k` before a frame), and what the payload's process says before its exec
 * (`l`; its bytes as they are). `p` before the first: what the shim has written down of the payload. */
#include "world.h"
#include "../keeper.c"

#include <stdlib.h>
#include <sys/mman.h>

bool __wrap_kill_all(const struct reaper *reaper);
bool __wrap_kill_all(const struct reaper *reaper)
{
	return true;
}

bool __wrap_step(const char *pause, const char *name, int lifeline);
bool __wrap_step(const char *pause, const char *name, int lifeline)
{
	return false;
}

static void drain(int socket)
{
	char bytes[65536];

	while (recv(socket, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
		;
}

/* The same keys as in a launch, but from a writer that is not ours. */
static bool load(struct payload *payload, struct script *script)
{
	int memfd = memfd_create("payload", MFD_CLOEXEC);
	bool good = memfd >= 0 && write_all(memfd, script->frame.data + 5, script->frame.size - 5);

	message_free(&script->frame);
	if (!good)
		broken("a memfd");
	return payload_load(payload, memfd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct payload payload;
	static struct keeper keeper;
	static struct post post;
	static struct script script;
	static int shim[2], link[2];

	script = (struct script){ .at = data, .end = data + size };
	payload = (struct payload){ 0 };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, shim) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link))
		broken("a socket");
	keeper = (struct keeper){ .payload = &payload, .link = link[0], .pid = 5000000 };
	keeper.lines[0].from = keeper.lines[0].to = keeper.lines[1].from = keeper.lines[1].to = -1;
	keeper.reaper = (struct reaper){ .reaped = reaped, .context = &keeper };
	channel_open(&keeper.control, shim[0]);
	post = (struct post){ 0, 1, dup(shim[0]), -1, 0 };
	world_child = 5000000;
	if (!setjmp(world_end)) {
		while (script_next(&script)) {
			if (script.key == 'p') {
				if (payload.text) {
					message_free(&script.frame);
					break;
				}
				if (!load(&payload, &script))
					break;
				/* as init decides which payload gets a post */
				keeper.post = payload.name ? &post : NULL;
				payload_set_descriptor(&payload, 1, dup(shim[0]));
				if (!keeper_open_lines(&keeper))
					broken("a pipe");
				for (size_t i = 0; i < payload.view.swap_count; i++)
					if (!payload.view.swaps[i].destination)
						broken("a view has a destination");
				continue;
			}
			if (script.key == 'l' && keeper.link >= 0) {
				script_write(&script, link[1]);
				read_link(&keeper);
			} else {
				script_write(&script, shim[1]);
				read_control(&keeper);
			}
			drain(shim[1]);
		}
	}
	payload_release(&payload);
	for (size_t i = 0; i < payload.descriptor_count; i++)
		close(payload.descriptors[i].fd);
	free(payload.descriptors);
	for (int i = 0; i < 2; i++) {
		struct lines *lines = &keeper.lines[i];
		if (lines->from >= 0)
			close(lines->from);
		if (lines->to >= 0)
			close(lines->to);
		free(lines->in);
		free(lines->out);
	}
	if (keeper.link >= 0)
		close(keeper.link);
	channel_close(&keeper.control);
	if (!keeper.post || !keeper.executed) /* else the keeper has closed it */
		close(post.shim);
	close(shim[1]);
	close(link[1]);
	return 0;
}
