/* A tool of the supervisor's: whether something keeps the clock of this node, which only adjtimex(2) tells. */
#include "clock.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>

/* `tare-clock now`: one line, `synchronised` or `unsynchronised` and the greatest error in µs that the kernel reckons with; or why not. */
int clock_main(void)
{
	struct timex now = { .modes = 0 };
	int state = adjtimex(&now);

	if (state < 0)
		printf("unknown: %s\n", strerror(errno));
	else
		printf("%s %ld\n", state == TIME_ERROR || (now.status & STA_UNSYNC) ? "unsynchronised" : "synchronised", now.maxerror);
	return fflush(stdout) ? EXIT_WRAPPER : 0;
}
