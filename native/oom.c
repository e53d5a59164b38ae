/* See oom.h. */
#include "oom.h"
#include "util.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Reads the score of this process. False, with errno. */
static bool read_score(int *score)
{
	char text[16] = "";
	int fd = open(OOM_SCORE_FILE, O_RDONLY | O_CLOEXEC);
	bool known = fd >= 0 && read(fd, text, sizeof text - 1) > 0;

	close_kept(fd);
	*score = atoi(text);
	return known;
}

bool oom_score_raise(const char *wanted)
{
	int now;

	if (!read_score(&now))
		return false;
	if (atoi(wanted) <= now)
		return true;
	bool hidden = prctl(PR_GET_DUMPABLE) != 1;
	if (hidden)
		prctl(PR_SET_DUMPABLE, 1);
	int fd = open(OOM_SCORE_FILE, O_WRONLY | O_CLOEXEC);
	if (hidden)
		prctl(PR_SET_DUMPABLE, 0);
	bool done = fd >= 0 && write_all(fd, wanted, strlen(wanted));
	close_kept(fd);
	return done;
}
