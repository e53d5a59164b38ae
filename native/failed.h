/* Messages about steps that failed. */
#pragma once

#include "frame.h"

/* The frame `failed`: step, errno, and a text to which an errno that is not 0 adds its own. */
void message_failed(struct message *message, const char *step, int error, const char *what);
/* The same for one start of an application. */
void message_failed_start(struct message *message, const char *step, int error, const char *what, long index, long start);
