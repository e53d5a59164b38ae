/* Which supervisor comes next when one has died, and what becomes of the job when none does. */
#pragma once

#include "state.h"

#include <stdbool.h>

/* Starts a supervisor. Ends the shim when that fails. */
void succession_start(struct shim *shim);

/* The supervisor has died or broken the protocol, for the reason `why`: kills what is left of it and starts another, unless too many have
 * died. */
void succession_lost(struct shim *shim, const char *why);
/* The same, but starts no other supervisor. */
void succession_ends(struct shim *shim, const char *why);
/* The same for a supervisor that lives but makes no progress: kills it with all that it has started. */
void succession_give_up(struct shim *shim, const char *why);

/* The command line's supervisor has ended with this raw status. True when it had no job to run, since it was asked for help or called
 * wrongly: then the shim ends with that status. */
bool succession_was_no_job(struct shim *shim, int status);

/* The box is gone: starts the fresh supervisor that waits for that, if one does. */
void succession_box_gone(struct shim *shim);

/* Starts one more supervisor when the shim would end without one: the supervisors may have died because of the box, and this one may write
 * the record. True: it was tried, so the shim does not end yet. */
bool succession_last(struct shim *shim);
