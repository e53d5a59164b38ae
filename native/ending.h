/* How the shim ends, once it is to: with which status, and with which last words. */
#pragma once

#include <stdbool.h>

struct ending {
	bool due; /* as soon as nothing is left of the box */
	bool alone; /* no supervisor any more: the end is the payload's */
	int status; /* raw; not when alone */
	char *words; /* for descriptor 2 at the end, NULL: none */
};

/* The end is due, with this raw wait status. */
void ending_with(struct ending *ending, int raw_status);

/* The end is due, as the wrapper's failure (EXIT_WRAPPER). Takes the words over; they replace those before. */
void ending_failed(struct ending *ending, char *words);

/* Writes the text and a newline to descriptor 2. That is the caller's: it may be closed or full, so this waits at most SAY_MS for it. */
enum { SAY_MS = 1000 };
void ending_say(const char *text);
