/* The bytes of a socket: whatever they are, a frame lies within them, and each of its strings within the frame. The first byte says how
 * many are written at a time. */
#include "world.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void look_at(struct frame frame)
{
	const char *string, *begin = frame.at;
	long number;

	if (frame.end < frame.at || frame.end - frame.at > FRAME_MAX)
		broken("a frame ends where it may");
	for (struct frame copy = frame; frame_number(&copy, -1000, 1L << 40, &number);)
		if (number < -1000 || number > 1L << 40)
			broken("a number is in its range");
	while ((string = frame_string(&frame)))
		if (string < begin || string + strlen(string) >= frame.end)
			broken("a string lies within its frame");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct channel channel;
	struct frame frame;
	int ends[2];

	if (!size || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return 0;
	size_t chunk = (size_t)*data * *data + 1;
	channel_open(&channel, ends[0]);
	data++;
	for (size--; size;) {
		size_t now = size < chunk ? size : chunk;
		ssize_t n = send(ends[1], data, now, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n <= 0 || channel_receive(&channel) != CHANNEL_BYTES)
			break;
		data += n;
		size -= (size_t)n;
		enum frame_got got;
		while ((got = channel_next(&channel, &frame)) == FRAME_WHOLE)
			look_at(frame);
		if (got == FRAME_BAD)
			break;
	}
	channel_close(&channel);
	close(ends[1]);
	return 0;
}
