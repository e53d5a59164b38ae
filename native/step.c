/* Pause points: a test stops a role here, kills what it likes, and looks at what is left. */
#include "step.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

bool step(const char *wanted, const char *name, int lifeline)
{
	char comm[16];

	if (!wanted || strcmp(wanted, name))
		return false;
	snprintf(comm, sizeof comm, "@%s", name);
	prctl(PR_SET_NAME, comm);
	for (;;) {
		/* not POLLIN: frames may wait to be read, they do not end the pause */
		struct pollfd end = { .fd = lifeline, .events = POLLRDHUP };
		if (poll(&end, 1, -1) > 0 || errno != EINTR)
			return true;
	}
}
