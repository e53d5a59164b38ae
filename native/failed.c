/* See failed.h. */
#include "failed.h"
#include "generated/protocol.h"

#include <stdio.h>
#include <string.h>

static void write_failed(struct message *message, struct failed_frame *failed, const char *what)
{
	char text[4096];

	if (failed->error)
		snprintf(text, sizeof text, "%.3900s: %s", what, strerror((int)failed->error));
	else
		snprintf(text, sizeof text, "%.4000s", what);
	failed->text = text;
	write_failed_frame(message, failed);
}

void message_failed(struct message *message, const char *step, int error, const char *what)
{
	write_failed(message, &(struct failed_frame){ .step = step, .error = error }, what);
}

void message_failed_start(struct message *message, const char *step, int error, const char *what, long index, long start)
{
	write_failed(message, &(struct failed_frame){ .step = step, .error = error, .application = { true, index, start } }, what);
}
