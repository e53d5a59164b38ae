/* See repository_answer.h. */
#include "repository_answer.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { WRITABLE_BY_OTHERS = 022 };

#define FORMAT "tare-repository/1"

void answer_keep(struct repository_answer *answer, const char *text, size_t size)
{
	size_t room = sizeof answer->text - answer->size;

	if (size > room)
		size = room;
	memcpy(answer->text + answer->size, text, size);
	answer->size += size;
}

void answer_keep_line(struct repository_answer *answer, const char *key, long long value)
{
	char *line = xprintf("%s\t%lld\n", key, value);

	answer_keep(answer, line, strlen(line));
	free(line);
}

int answer_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	struct stat status;

	if (fd < 0)
		return -1;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() && status.st_nlink == 1 &&
	    !(status.st_mode & WRITABLE_BY_OTHERS))
		return fd;
	close(fd);
	return -1;
}

/* A handled signal interrupts flock(2). */
static void no_more(int signo)
{
	(void)signo;
}

/* A second alarm, should the first come too early. */
bool answer_lock(int fd, long long end_us)
{
	struct sigaction action = { .sa_handler = no_more };
	bool locked = false;

	sigaction(SIGALRM, &action, NULL);
	for (long long left_us; !locked && (left_us = end_us - monotonic_us()) > 0;) {
		struct itimerval timer = { .it_value = { left_us / 1000000, left_us % 1000000 }, .it_interval = { 0, 50000 } };
		setitimer(ITIMER_REAL, &timer, NULL);
		locked = flock(fd, LOCK_EX) == 0;
		if (!locked && errno != EINTR)
			break;
	}
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	return locked;
}

/* Reads the id into a static buffer; empty when it cannot be read. */
static char *boot_id(void)
{
	static char id[64];
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? 0 : read(fd, id, sizeof id - 1);

	close_kept(fd);
	id[size > 0 ? size : 0] = 0;
	id[strcspn(id, "\n")] = 0;
	return id;
}

bool answer_recall(int fd, long long most_us, struct repository_answer *answer)
{
	char text[ANSWER_MAX + 256], boot[64];
	ssize_t size = pread(fd, text, sizeof text - 1, 0);
	long long then_us, age_us;
	int begin = 0;

	if (size <= 0)
		return false;
	text[size] = 0;
	if (sscanf(text, FORMAT " %63s %lld\n%n", boot, &then_us, &begin) != 2 || begin == 0 || strcmp(boot, boot_id()))
		return false;
	age_us = clock_us(CLOCK_BOOTTIME) - then_us;
	if (age_us < 0 || age_us > most_us || size < begin + 4 || strcmp(text + size - 4, "end\n"))
		return false;
	answer_keep(answer, text + begin, (size_t)(size - begin - 4));
	answer_keep(answer, "shared\tyes\n", 11);
	return true;
}

void answer_remember(int fd, long long began_us, const struct repository_answer *answer)
{
	char *head = xprintf(FORMAT " %s %lld\n", boot_id(), began_us);

	/* what is not whole is not believed */
	if (ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0 && write_all(fd, head, strlen(head)) &&
	    write_all(fd, answer->text, answer->size))
		write_all(fd, "end\n", 4);
	free(head);
}
