/* See succession.h. */
#include "succession.h"
#include "box_orders.h"
#include "util.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

enum {
	BRAINS_FRESH = 2, /* how many brains may be started before `state`; while a box lives: BRAINS */
	EXIT_USAGE = 64, /* the command line was wrong (src/errors.ts, EXIT.usage) */
};

/* The state that `hello` reports. */
static const char *state_word(const struct front *front)
{
	if (!front->talk.directory)
		return "fresh";
	if (front->talk.over)
		return "over";
	if (front->box.job.any_ended)
		return "ended";
	return front->box.there ? "running" : "prepared";
}

void succession_start(struct front *front)
{
	char *wrong = talk_start(&front->talk, state_word(front));

	if (wrong)
		ending_failed(&front->ending, wrong);
}

/* No brain will come any more. */
static void go_on_alone(struct front *front, const char *why)
{
	struct ending *ending = &front->ending;

	if (front->talk.over) {
		box_kill(&front->box);
		ending_with(ending, front->talk.over_status);
		return;
	}
	if (!front->box.job.launched_once) {
		ending_failed(ending, xprintf("%s; the payload was not run", why));
		box_kill(&front->box);
		return;
	}
	/* What runs may end in peace; when nothing of its box is left, so do we, if the last brain does not know better. */
	box_wind_up(&front->box);
	if (front->talk.command_line && front->talk.directory) { /* else descriptor 2 is the payload's alone by now */
		free(ending->words);
		ending->words = xprintf("%s; the record is left to a sweep (tare records sweep)", why);
	}
	ending->alone = ending->due = true;
}

bool succession_was_no_job(struct front *front, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	if (!front->talk.command_line || front->talk.directory || front->box.there || (code != 0 && code != EXIT_USAGE))
		return false;
	ending_with(&front->ending, status);
	return true;
}

void succession_lost(struct front *front, const char *why)
{
	struct talk *talk = &front->talk;
	char *where = NULL;

	talk_drop(talk);
	if (front->ending.due)
		return;
	if (talk->speech.held) { /* what its runtime says of that is not the caller's to read */
		speech_forget(&talk->speech);
		why = where = xprintf("%s within the caller's limits (%s), before it did anything: raise them", why, talk->cramped);
	}
	if (talk->directory && talk->started < BRAINS) {
		succession_start(front);
	} else if (!talk->directory && !front->box.job.launched_once && talk->started < BRAINS_FRESH) {
		box_kill(&front->box);
		talk->start_when_gone = front->box.there;
		if (!talk->start_when_gone)
			succession_start(front);
	} else {
		go_on_alone(front, why);
	}
	free(where);
}

void succession_ends(struct front *front, const char *why)
{
	front->talk.started = BRAINS;
	front->talk.last = true;
	succession_lost(front, why);
}

void succession_give_up(struct front *front, const char *why)
{
	kill(-front->talk.pid, SIGKILL); /* what it has started is of its session */
	succession_ends(front, why);
}

void succession_box_gone(struct front *front)
{
	if (!front->talk.start_when_gone || front->ending.due)
		return;
	front->talk.start_when_gone = false;
	succession_start(front);
}

bool succession_last(struct front *front)
{
	struct talk *talk = &front->talk;
	struct ending *ending = &front->ending;

	if (!ending->alone || talk->last || !talk->directory)
		return false;
	talk->last = true;
	ending->alone = ending->due = false;
	free(ending->words);
	ending->words = NULL;
	succession_start(front);
	if (!talk->pid)
		ending->alone = ending->due = true;
	return true;
}
