/* See box_signals.h. */
#include "box_signals.h"
#include "sig.h"
#include "util.h"

#include <signal.h>
#include <unistd.h>

/* A flood of real-time signals before the exec is cut here, as the kernel's own queue would cut it. */
enum { KEPT_MAX = 4096 };

/* Sends the signal to init, and `noted` to the supervisor if `noted`. */
static void forward(struct box *box, struct kept signal)
{
	struct message message;

	write_signal_frame(&message, &(struct signal_frame){ .signal = signal.signo });
	channel_send(&box->control, &message);
	if (signal.noted)
		supervisor_link_note(box->job.link, signal.signo);
}

/* Kept in the order of arrival, as the kernel would: a standard signal that waits already is not kept again, and a stop and SIGCONT take each
 * other out of the queue, so that the last one holds. */
static void keep_signal(struct job *job, struct kept signal)
{
	size_t left = 0;

	for (size_t i = 0; i < job->kept_count; i++)
		if (job->kept[i].signo >= 32 || !(SIG_BIT(job->kept[i].signo) & sig_cancels(signal.signo)))
			job->kept[left++] = job->kept[i];
	job->kept_count = left;
	for (size_t i = 0; i < job->kept_count; i++)
		if (job->kept[i].signo == signal.signo && signal.signo < 32) {
			job->kept[i].noted = job->kept[i].noted || signal.noted;
			return;
		}
	if (job->kept_count == KEPT_MAX)
		return;
	job->kept = xrealloc(job->kept, (job->kept_count + 1) * sizeof *job->kept);
	job->kept[job->kept_count++] = signal;
}

void box_signal(struct box *box, int signo, bool noted)
{
	struct job *job = &box->job;
	struct kept signal = { signo, noted };

	if (box->there && box->executed)
		forward(box, signal);
	else
		keep_signal(job, signal);
	/* what the payload would not hear of means nothing */
	bool heard = !((job->caller->mask | job->caller->ignored) & SIG_BIT(signo));
	if (noted && heard && !box->there && !job->launched_once)
		supervisor_link_note_kept(job->link, signo);
}

void box_forward_kept(struct box *box)
{
	for (size_t i = 0; i < box->job.kept_count; i++)
		forward(box, box->job.kept[i]);
	box->job.kept_count = 0;
}

void box_raise_kept(const struct box *box)
{
	sig_discard_pending_child();
	for (size_t i = 0; i < box->job.kept_count; i++)
		kill(getpid(), box->job.kept[i].signo);
}
