/* See replace.h. */
#include "replace.h"
#include "box_signals.h"
#include "payload_run.h"
#include "specification.h"
#include "util.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

char *replace_shim(const struct box *box, struct frame *frame)
{
	const struct caller *caller = box->job.caller;
	struct launch launch;
	struct payload payload = { 0 };
	const char *what = NULL;
	int memfd;
	char *wrong = launch_parse(&launch, frame, caller);

	if (wrong)
		return wrong;
	if (!launch_is_plain(&launch))
		return xprintf("this needs a box");
	if ((memfd = specification_make(&launch, launch.commands, caller)) < 0 || !payload_load(&payload, memfd))
		return xprintf("memfd: %s", strerror(errno));
	/* so that the payload has no child that it never made */
	kill(box->job.link->pid, SIGKILL);
	waitpid(box->job.link->pid, NULL, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	caller_hand_on(caller);
	if (!identity_take(&launch.identity, &what))
		die("the payload was not executed: %s: %s", what, strerror(errno));
	box_raise_kept(box);
	payload_replace(&payload);
}
