/* See keeper_output.h. */
#include "keeper_output.h"
#include "util.h"
#include "wait.h"

#include <fcntl.h>

/* How long a reader that does not read is waited for when the application was to be killed. */
enum { LAST_LINES_MS = 500 };

bool keeper_open_lines(struct keeper *keeper)
{
	struct payload *payload = keeper->payload;

	for (size_t i = 0; payload->prefixed && i < payload->descriptor_count; i++) {
		int target = payload->descriptors[i].target;
		if ((target != 1 && target != 2) || payload->files[target])
			continue;
		int job = fcntl(payload->descriptors[i].fd, F_DUPFD_CLOEXEC, 3);
		int end = job < 0 ? -1 : lines_open(&keeper->lines[target - 1], job, keeper->post->lock);
		if (end < 0)
			return false;
		payload_set_descriptor(payload, target, end);
	}
	return true;
}

/* Whether any output is not passed on yet. */
static bool has_lines(const struct keeper *keeper)
{
	return !lines_done(&keeper->lines[0]) || !lines_done(&keeper->lines[1]);
}

int keeper_lines_wanted(const struct keeper *keeper, struct pollfd *ready)
{
	for (int i = 0; i < 2; i++)
		lines_wanted(&keeper->lines[i], ready + i * LINES_POLLS);
	return keeper->lines[0].locked_out || keeper->lines[1].locked_out ? LINES_AGAIN_MS : -1;
}

void keeper_lines_move(struct keeper *keeper, const struct pollfd *ready)
{
	for (int i = 0; i < 2; i++)
		lines_move(&keeper->lines[i], &keeper->lines[1 - i], keeper->payload->name, ready + i * LINES_POLLS);
}

/* Orders come too late now, but for the one to end. */
static void hear_end(struct keeper *keeper)
{
	struct frame frame;

	if (channel_receive(&keeper->control) == CHANNEL_END)
		keeper->told_end = true;
	while (channel_next(&keeper->control, &frame) == FRAME_WHOLE)
		;
}

void keeper_pass_on_rest(struct keeper *keeper)
{
	struct pollfd ready[KEEPER_LINES_POLLS + 1] = { 0 }, *control = &ready[KEEPER_LINES_POLLS];
	long long until = 0;

	for (int i = 0; i < 2; i++)
		keeper->lines[i].last = true;
	for (;;) {
		keeper_lines_move(keeper, ready);
		if (control->revents)
			hear_end(keeper);
		if (keeper->told_end && !until)
			until = monotonic_us() + LAST_LINES_MS * 1000;
		if (!has_lines(keeper) || (until && monotonic_us() >= until))
			return;
		int timeout = keeper_lines_wanted(keeper, ready);
		*control = (struct pollfd){ .fd = keeper->told_end ? -1 : keeper->control.fd, .events = POLLIN };
		wait_for(ready, KEEPER_LINES_POLLS + 1, until && timeout < 0 ? LAST_LINES_MS : timeout, SIG_STANDARD);
	}
}
