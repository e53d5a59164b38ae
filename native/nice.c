/* See nice.h. */
#include "nice.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

bool nice_raise(const char *wanted)
{
	int value = atoi(wanted);

	/* -1 is a nice value too */
	errno = 0;
	int now = getpriority(PRIO_PROCESS, 0);
	if (now == -1 && errno)
		return false;
	return value <= now || setpriority(PRIO_PROCESS, 0, value) == 0;
}
