/* See look.h. */
#include "look.h"
#include "util.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_US = 2000000 };

static long long end_of_looks;
static int to_parent;

void look_until(long long end_us)
{
	end_of_looks = end_us;
}

bool look_is_late(void)
{
	return monotonic_us() > end_of_looks;
}

void look_report(struct found found)
{
	write_all(to_parent, &found, sizeof found);
}

void look_report_unseen(enum way way)
{
	look_report((struct found){ .what = FOUND_UNSEEN, .number = way });
}

bool look_in_child(struct answer *answer)
{
	long long until = monotonic_us() + CHILD_US;
	size_t bytes = 0, room = 0;
	int ends[2];

	*answer = (struct answer){ 0 };
	if (pipe2(ends, O_CLOEXEC))
		return false;
	pid_t child = fork();
	if (child == 0) {
		close(ends[0]);
		to_parent = ends[1];
		return true;
	}
	close(ends[1]);
	if (until > end_of_looks)
		until = end_of_looks;
	while (child > 0 && !answer->whole) {
		struct pollfd ready = { .fd = ends[0], .events = POLLIN };
		long long left = until - monotonic_us();
		if (left <= 0 || poll(&ready, 1, (int)(left / 1000) + 1) <= 0)
			break;
		if (bytes + 65536 > room)
			answer->list = xrealloc(answer->list, room += 131072);
		ssize_t n = read(ends[0], (char *)answer->list + bytes, 65536);
		answer->whole = n == 0;
		bytes += n > 0 ? (size_t)n : 0;
	}
	close(ends[0]);
	if (child > 0)
		kill(child, SIGKILL);
	/* one that waits for a file system of the payload's may not end: it is not waited for */
	for (int tries = 0; child > 0 && waitpid(child, NULL, WNOHANG) == 0 && tries < 20; tries++)
		usleep(500);
	answer->count = bytes / sizeof *answer->list;
	return false;
}
