/* Which brain comes next when one has died, and what becomes of the job when none does. */
#ifndef TARE_SUCCESSION_H
#define TARE_SUCCESSION_H

#include "state.h"

#include <stdbool.h>

/* Starts a brain; where that fails the front is to end. */
void succession_start(struct front *front);

/* The brain is dead, or as good as dead, for this reason: another one is started where that may help. */
void succession_lost(struct front *front, const char *why);
/* The same, and no other will help. */
void succession_ends(struct front *front, const char *why);
/* The same of a brain that lives but does not get on: it is killed with all that it has started. */
void succession_give_up(struct front *front, const char *why);

/* The command line's brain has ended with this raw status: true when there was no job to run, since it was asked for help or called wrongly.
 * Then the front is to end as it did. */
bool succession_was_no_job(struct front *front, int status);

/* Nothing is left of the box: a fresh brain that waited for that is started. */
void succession_box_gone(struct front *front);

/* At the end without a brain: what brains died of may have been the box's doing, so one more writes the record. True when it was started, or
 * tried to be; the front does not end yet. */
bool succession_last(struct front *front);

#endif
