/* See patience.h. */
#include "patience.h"
#include "generated/protocol.h"
#include "list.h"
#include "util.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	/* Then it is looked whether the supervisor works, and again after this. */
	AGAIN_MS = 10000,
	BEFORE_MS = 50000,
	/* From the launch to `ready` the supervisor has a deadline of its own. */
	BUILDING_MS = 140000,
	READY_MS = 50000,
	OVER_MS = 50000,
	/* From a signal that asks for the end. */
	ASKED_MS = 5000,
	/* Of all the supervisor's processes between two looks, 10 ms each: less is what timers take. */
	BUSY_TICKS = 5,
};

/* Derives the phase from the box. */
static enum phase phase_of(const struct box *box)
{
	if (box->job.launched_once)
		return box->there ? PHASE_RUNNING : PHASE_OVER;
	return !box->there ? PHASE_BEFORE : box->ready ? PHASE_READY : PHASE_BUILDING;
}

/* 0: for ever. */
static void set_until(struct patience *patience, long milliseconds)
{
	patience->until_us = milliseconds ? monotonic_us() + milliseconds * 1000LL : 0;
	patience->looked = false;
}

/* A new phase begins with its own time. */
static void follow_phase(struct patience *patience, const struct box *box)
{
	static const long lengths[] = { [PHASE_NONE] = 0,	    [PHASE_BEFORE] = BEFORE_MS, [PHASE_BUILDING] = BUILDING_MS,
					[PHASE_READY] = READY_MS, [PHASE_RUNNING] = 0,	[PHASE_OVER] = OVER_MS };
	enum phase phase = phase_of(box);

	if (phase == patience->phase)
		return;
	patience->phase = phase;
	set_until(patience, lengths[phase]);
	if (phase == PHASE_RUNNING)
		patience->asked_us = 0;
}

bool patience_take(struct patience *patience, const struct box *box, const struct frame *frame)
{
	struct doing_frame doing;

	if (!read_doing_frame(frame, &doing))
		return false;
	follow_phase(patience, box);
	if (doing.patience_ms >= 0)
		set_until(patience, doing.patience_ms);
	text_replace(&patience->doing, doing.what);
	return true;
}

/* State, session and CPU time of proc_pid_stat(5), which asks nothing of what the process waits for. */
static void add_process(const char *name, pid_t session, bool *runs, long *ticks)
{
	char path[64], text[1024], state;
	int its;
	unsigned long user, system;

	snprintf(path, sizeof path, "/proc/%.20s/stat", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	close_kept(fd);
	if (size <= 0)
		return;
	text[size] = 0;
	const char *rest = strrchr(text, ')');
	if (!rest || sscanf(rest + 2, "%c %*d %*d %d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &state, &its, &user, &system) != 4 ||
	    its != session)
		return;
	*runs = *runs || state == 'R';
	*ticks += (long)(user + system);
}

/* Whether processes of that session run, or have used CPU since the last look: a supervisor on a node that is merely busy gets on. */
static bool is_at_work(struct patience *patience, pid_t supervisor)
{
	DIR *all = opendir("/proc");
	bool runs = false;
	long ticks = 0, before = patience->ticks;

	for (const struct dirent *entry; all && (entry = readdir(all));)
		if (isdigit((unsigned char)entry->d_name[0]))
			add_process(entry->d_name, supervisor, &runs, &ticks);
	if (all)
		closedir(all);
	patience->ticks = ticks;
	return runs || ticks - before >= BUSY_TICKS;
}

void patience_signal(struct patience *patience, const struct box *box, pid_t supervisor, int signo)
{
	follow_phase(patience, box);
	if (signo != SIGTERM && signo != SIGINT && signo != SIGHUP && signo != SIGQUIT)
		return;
	if (patience->phase == PHASE_RUNNING || patience->asked_us)
		return;
	patience->asked_us = monotonic_us() + ASKED_MS * 1000LL;
	/* from here on its CPU time counts */
	is_at_work(patience, supervisor);
}

/* The text for the end of the job. The caller frees it. */
static char *reason(const struct patience *patience, bool asked)
{
	const char *doing = patience->doing ? patience->doing : "starting";

	if (asked)
		return xprintf("LAUNCH_TIMEOUT: asked to end, and the wrapper did not answer within %d s while %s", ASKED_MS / 1000, doing);
	return xprintf("LAUNCH_TIMEOUT: the wrapper did not get on within %d s while %s: a file system that does not answer?",
		       (BEFORE_MS + AGAIN_MS) / 1000, doing);
}

int patience_check(struct patience *patience, const struct box *box, pid_t supervisor, char **why)
{
	long long now = monotonic_us(), until;

	follow_phase(patience, box);
	if (supervisor <= 0)
		return -1;
	bool asked = patience->asked_us && (!patience->until_us || patience->asked_us < patience->until_us);
	until = asked ? patience->asked_us : patience->until_us;
	if (!until)
		return -1;
	if (now < until)
		return (int)((until - now) / 1000) + 1;
	bool busy = is_at_work(patience, supervisor);
	/* what cleans up is not disturbed: its record is about to be written */
	bool look = !asked || patience->phase == PHASE_OVER;
	if (!look && busy) {
		patience->asked_us = now + ASKED_MS * 1000LL;
		return ASKED_MS;
	}
	if (look && (busy || !patience->looked)) {
		patience->until_us = now + AGAIN_MS * 1000LL;
		patience->asked_us = 0;
		patience->looked = true;
		return AGAIN_MS;
	}
	*why = reason(patience, asked);
	return 0;
}
