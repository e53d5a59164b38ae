/* Looks at one repository of CVMFS: whether it is there, answers in time, and what its client says of itself. A child looks;
 * this process only waits for it, so that a look that hangs in the kernel blocks nothing else. A process that asks meanwhile
 * waits for the same answer, which is kept in a file for a while. */
#include "repository.h"
#include "identity.h"
#include "repository_answer.h"
#include "repository_look.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Reads the child's output until it ends, or until the deadline. */
static void listen_to(int in, long long end_us, struct repository_answer *answer)
{
	for (;;) {
		char text[4096];
		long long left_us = end_us - monotonic_us();
		struct pollfd ready = { .fd = in, .events = POLLIN };
		int found = left_us > 0 ? poll(&ready, 1, (int)(left_us / 1000) + 1) : 0;
		if (found < 0 && errno == EINTR)
			continue;
		ssize_t size = found > 0 ? read(in, text, sizeof text) : 0;
		if (found <= 0) {
			answer_keep(answer, "late\tyes\n", 9);
			return;
		}
		if (size <= 0)
			return;
		answer_keep(answer, text, (size_t)size);
	}
}

/* Starts the child that looks, and keeps what it says. `lock`: the file's descriptor, which is not the child's to have; -1: none. */
static void ask(const struct repository_question *question, int lock, long long end_us, struct repository_answer *answer)
{
	long long started_us = monotonic_us();
	int link[2];

	answer_keep_line(answer, "epoch", clock_us(CLOCK_REALTIME));
	if (pipe2(link, O_CLOEXEC))
		die("pipe: %s", strerror(errno));
	pid_t pid = fork();
	if (pid == 0) {
		close_kept(lock);
		close(link[0]);
		/* the reader of this process's output must not wait for the child */
		close(1);
		/* SIGPIPE ends the child when this process is gone, which alone wants its answer */
		repository_look(question, link[1]);
	}
	close(link[1]);
	if (pid > 0)
		listen_to(link[0], end_us, answer);
	close(link[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, WNOHANG);
	}
	answer_keep_line(answer, "us", monotonic_us() - started_us);
}

/* `tare-repository FILE AGE DEADLINE IDENTITY ROOT NAME [MOUNTER]`, times in µs, FILE may be empty, IDENTITY `-`; MOUNTER: a
 * process in whose mounts the repository is. */
int repository_main(int argc, char **argv)
{
	static struct repository_question question;
	static struct repository_answer answer;
	long age_us, deadline_us;

	if (argc < 8 || argc > 9 || (argc == 9 && !parse_number(argv[8], 1, 1L << 30, &question.mounter)) ||
	    !parse_number(argv[3], 0, 1L << 50, &age_us) || !parse_number(argv[4], 1, 1L << 50, &deadline_us) ||
	    (strcmp(argv[5], "-") && !identity_parse(&question.identity, argv[5])))
		return EXIT_WRAPPER;
	question.root = argv[6];
	question.name = argv[7];
	long long end_us = monotonic_us() + deadline_us;
	int file = *argv[2] ? answer_open(argv[2]) : -1;
	if (file >= 0 && !answer_lock(file, end_us)) {
		answer_keep_line(&answer, "epoch", clock_us(CLOCK_REALTIME));
		answer_keep(&answer, "step\tother\nlate\tyes\n", 20);
		answer_keep_line(&answer, "us", deadline_us);
	} else if (file < 0 || !answer_recall(file, age_us, &answer)) {
		long long began_us = clock_us(CLOCK_BOOTTIME);
		ask(&question, file, end_us, &answer);
		if (file >= 0)
			answer_remember(file, began_us, &answer);
	}
	/* also for a child that still has it */
	if (file >= 0)
		flock(file, LOCK_UN);
	return write_all(1, answer.text, answer.size) ? 0 : EXIT_WRAPPER;
}
