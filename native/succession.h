/* Which brain comes next when one has died, and what becomes of the job when none does. */
#ifndef TARE_SUCCESSION_H
#define TARE_SUCCESSION_H

#include "state.h"

#include <stdbool.h>

/* Starts a brain. Ends the front when that fails. */
void succession_start(struct front *front);

/* The brain has died or broken the protocol, for the reason `why`: kills what is left of it and starts another, unless too many have
 * died. */
void succession_lost(struct front *front, const char *why);
/* The same, but starts no other. */
void succession_ends(struct front *front, const char *why);
/* The same for a brain that lives but does not get on: kills it with all that it has started. */
void succession_give_up(struct front *front, const char *why);

/* The command line's brain has ended with this raw status. True when it had no job to run, since it was asked for help or called
 * wrongly: then the front ends with that status. */
bool succession_was_no_job(struct front *front, int status);

/* The box is gone: starts the fresh brain that waits for that, if one does. */
void succession_box_gone(struct front *front);

/* Starts one more brain when the front would end without one: the brains may have died because of the box, and this one may write the
 * record. True: it was tried, so the front does not end yet. */
bool succession_last(struct front *front);

#endif
