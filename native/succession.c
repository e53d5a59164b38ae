/* See succession.h. */
#include "succession.h"
#include "box_orders.h"
#include "util.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

enum {
	SUPERVISORS_FRESH = 2, /* how many supervisors may be started before `state`; while a box lives: SUPERVISORS */
	EXIT_USAGE = 64, /* the command line was wrong (src/errors.ts, EXIT.usage) */
};

/* The state that `hello` reports. */
static const char *state_word(const struct shim *shim)
{
	if (!shim->link.directory)
		return "fresh";
	if (shim->box.job.any_ended)
		return "ended";
	return shim->box.there ? "running" : "prepared";
}

void succession_start(struct shim *shim)
{
	char *wrong = supervisor_link_start(&shim->link, state_word(shim));

	if (wrong)
		ending_failed(&shim->ending, wrong);
}

/* No supervisor will come any more. */
static void go_on_alone(struct shim *shim, const char *why)
{
	struct ending *ending = &shim->ending;

	if (!shim->box.job.launched_once) {
		ending_failed(ending, xprintf("%s; the payload was not run", why));
		box_kill(&shim->box);
		return;
	}
	/* What runs may end in peace; when nothing of its box is left, so do we, if the last supervisor does not know better. */
	box_wind_up(&shim->box);
	if (shim->link.command_line && shim->link.directory) { /* else descriptor 2 is the payload's alone by now */
		free(ending->words);
		ending->words = xprintf("%s; the record is left to a sweep (tare records sweep)", why);
	}
	ending->alone = ending->due = true;
}

bool succession_was_no_job(struct shim *shim, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	if (!shim->link.command_line || shim->link.directory || shim->box.there || (code != 0 && code != EXIT_USAGE))
		return false;
	ending_with(&shim->ending, status);
	return true;
}

void succession_lost(struct shim *shim, const char *why)
{
	struct supervisor_link *link = &shim->link;
	char *where = NULL;

	supervisor_link_drop(link);
	if (shim->ending.due)
		return;
	if (link->stdio.held) { /* what its runtime says of that is not the caller's to read */
		stdio_relay_forget(&link->stdio);
		why = where = xprintf("%s within the caller's limits (%s), before it did anything: raise them", why, link->cramped);
	}
	if (link->directory && link->started < SUPERVISORS) {
		succession_start(shim);
	} else if (!link->directory && !shim->box.job.launched_once && link->started < SUPERVISORS_FRESH) {
		box_kill(&shim->box);
		link->start_when_gone = shim->box.there;
		if (!link->start_when_gone)
			succession_start(shim);
	} else {
		go_on_alone(shim, why);
	}
	free(where);
}

void succession_ends(struct shim *shim, const char *why)
{
	shim->link.started = SUPERVISORS;
	shim->link.last = true;
	succession_lost(shim, why);
}

void succession_give_up(struct shim *shim, const char *why)
{
	kill(-shim->link.pid, SIGKILL); /* what it has started is of its session */
	succession_ends(shim, why);
}

void succession_box_gone(struct shim *shim)
{
	if (!shim->link.start_when_gone || shim->ending.due)
		return;
	shim->link.start_when_gone = false;
	succession_start(shim);
}

bool succession_last(struct shim *shim)
{
	struct supervisor_link *link = &shim->link;
	struct ending *ending = &shim->ending;

	if (!ending->alone || link->last || !link->directory)
		return false;
	link->last = true;
	ending->alone = ending->due = false;
	free(ending->words);
	ending->words = NULL;
	succession_start(shim);
	if (!link->pid)
		ending->alone = ending->due = true;
	return true;
}
