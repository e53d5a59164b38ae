/* Keeps one payload, or one start of one application: lets it go, passes signals on, leaves nobody alive. */
#ifndef TARE_KEEPER_H
#define TARE_KEEPER_H

#include "frame.h"
#include "payload.h"

/* Where one start of an application is kept, beside `control`. */
struct post {
	long index, start;
	int front; /* init's socket to the front, for the one frame that must say who sends it */
	int lock; /* see lines.h */
	pid_t host; /* keeper of the application whose guest it is, 0: nobody's, or it does not run */
};

/* The payload is started now. `control`: orders come from there, reports go there, and its end is ours. `post`:
 * NULL for the only payload, which waits for `G`. */
_Noreturn void keeper_main(struct payload *payload, const struct channel *control, const struct post *post);

#endif
