/* See box_end.h. */
#include "box_end.h"
#include "box_watch.h"
#include "reap.h"
#include "terminal_move.h"
#include "util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Time from the kill to the end of the shim; its supervisor has waited before. */
enum { STUCK_MS = 10000 };

/* Sends `gone`: status and usage of the engine, own usage, the engine's stderr with NULs replaced. */
static void tell_gone(struct box *box)
{
	struct rusage own;
	struct message message;

	for (size_t i = 0; i < box->errors_size; i++)
		if (!box->errors_text[i])
			box->errors_text[i] = '?';
	getrusage(RUSAGE_SELF, &own);
	box->errors_text[box->errors_size] = 0;
	const struct gone_frame gone = {
		.raw_status = box->engine_status,
		.user_us = (long)time_us(box->engine_usage.ru_utime),
		.system_us = (long)time_us(box->engine_usage.ru_stime),
		.shim_user_us = (long)time_us(own.ru_utime),
		.shim_system_us = (long)time_us(own.ru_stime),
		.engine_errors = box->errors_text,
		.limited = box->limited,
		.has_memory_kills = box->memory_kills > 0,
		.memory_kills = box->memory_kills,
	};
	write_gone_frame(&message, &gone);
	box->job.any_ended = true;
	supervisor_link_tell(box->job.link, &message);
}

/* As what a shim without a supervisor ends. No application's success hides that another has failed, or was not run. How a service ends
 * means nothing: it is ended. */
static void judge_several(struct box *box)
{
	box->status = 0;
	for (size_t i = 0; box->app_slots && i < box->launch.command_count; i++) {
		const struct app_slot *slot = &box->app_slots[i];
		if (!slot->given) {
			box->some_not_given = true;
			box->status = EXIT_WRAPPER << 8;
			return;
		}
		if (!box->status && !box->launch.commands[i].service)
			box->status = slot->status;
	}
}

void box_end(struct box *box)
{
	tell_gone(box);
	if (box->several)
		judge_several(box);
	box_forget_preparations(box);
	channel_close(&box->control);
	close_once(&box->errors);
	launch_free(&box->launch);
	free(box->app_slots);
	box->app_slots = NULL;
	box->there = false;
}

void box_reaped(struct box *box, pid_t pid, int status, const struct rusage *usage)
{
	if (!box->there)
		return;
	if (pid == box->engine && !box->engine_reaped) {
		box->engine_reaped = true;
		box->engine_status = status;
		box->engine_usage = *usage;
	}
	if (pid == box->init)
		box->init_reaped = true;
}

/* init outlives a killed engine, and then it is our child (we are a subreaper), not yet dead when its socket closes. */
static bool init_is_dead(const struct box *box)
{
	int status;

	if (!box->init || box->init_reaped)
		return true;
	return waitpid(box->init, &status, WNOHANG) != 0; /* ECHILD: the engine has reaped it */
}

/* Why the payload did not run, when no process told. */
static void explain(struct box *box)
{
	static char text[ENGINE_ERRORS + 1]; /* the caller's stack may be as small */

	if (box->executed || box->go_sent || box->ended)
		return; /* it may have run: `gone` without `ended` says so */
	if (box->init || box->killed) {
		box_tell_failed(box, "init", 0, "the box ended before the payload was executed");
		return;
	}
	memcpy(text, box->errors_text, box->errors_size);
	text[box->errors_size] = 0;
	box_tell_failed(box, "engine", 0, *text ? text : "the engine ended before init was started");
}

/* The kernel refused to pass a descriptor, for instance for too many in flight. init would wait for ever. */
static void settle_unsent(struct box *box)
{
	int error = box->control.error;

	if (!error || error == EPIPE || error == ECONNRESET || box->executed)
		return;
	box_tell_failed(box, "descriptors", error, "cannot pass the caller's descriptors");
	box_kill(box);
}

/* A bubblewrap that is killed, or fails, leaves a child that waits for it for ever, with init's socket in hand. True: there was one. */
static bool settle_orphans(const struct box *box)
{
	return box->engine_reaped && !box->init && (box->killed || box->engine_status) &&
	       kill_children(supervisor_link_owns, box->job.link);
}

bool box_is_stuck(const struct box *box)
{
	return box->there && box->killed && monotonic_us() - box->killed_us > STUCK_MS * 1000LL;
}

enum box_left box_settle(struct box *box)
{
	if (!box->there)
		return BOX_STAYS;
	settle_unsent(box);
	if (box->control.fd >= 0 && settle_orphans(box))
		return BOX_SOON;
	if (box->control.fd >= 0 || !box->engine_reaped || !init_is_dead(box))
		return BOX_STAYS;
	/* Without a PID namespace the kernel does not kill the rest when init is killed. */
	if (!box->launch.engine.count && kill_children(supervisor_link_owns, box->job.link))
		return BOX_SOON;
	box_read_errors(box);
	explain(box);
	terminal_over(box->job.terminal);
	box_end(box);
	return BOX_GONE;
}
