/* See ending.h. */
#include "ending.h"
#include "util.h"
#include "wait.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

void ending_with(struct ending *ending, int raw_status)
{
	ending->due = true;
	ending->status = raw_status;
}

void ending_failed(struct ending *ending, char *words)
{
	free(ending->words);
	ending->words = words;
	ending_with(ending, EXIT_WRAPPER << 8);
}

void ending_say(const char *text)
{
	struct pollfd out = { .fd = 2, .events = POLLOUT };
	char *line = xprintf("%s\n", text);

	if (wait_for(&out, 1, SAY_MS, SIG_EVERY) > 0 && out.revents & POLLOUT)
		write_all(2, line, strlen(line));
	free(line);
}
