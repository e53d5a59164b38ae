/* See machine_descriptors.h. O_NONBLOCK belongs to the open file, which others have too: a pipe is opened once more, a socket is asked not to
 * wait each time (port.c), and what is neither is read and written when poll(2) calls it ready. */
#include "machine_descriptors.h"
#include "util.h"

#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_of_type(int fd, mode_t type)
{
	struct stat found;

	return fstat(fd, &found) == 0 && (found.st_mode & S_IFMT) == type;
}

/* Both ways only for a socket: what is read ahead of a file that is written too would move the place of the next byte. */
static enum stream_way way_of(int fd, long target)
{
	int flags = fcntl(fd, F_GETFL);
	int access = flags < 0 ? O_RDONLY : flags & O_ACCMODE;

	if (is_of_type(fd, S_IFSOCK))
		return WAY_BOTH;
	if (access == O_RDWR)
		return target == 0 ? WAY_READ : WAY_WRITE;
	return access == O_WRONLY ? WAY_WRITE : WAY_READ;
}

static int reopened(int fd, int access)
{
	char *path = xprintf("/proc/self/fd/%d", fd);
	int again = is_of_type(fd, S_IFIFO) ? open(path, access | O_NONBLOCK | O_CLOEXEC) : -1;

	free(path);
	return again >= 0 ? again : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static const struct given_descriptor *same_as(const struct machine_descriptors *descriptors, int fd, enum stream_way way)
{
	pid_t self = getpid();

	for (size_t i = 0; i < descriptors->count; i++) {
		const struct given_descriptor *given = &descriptors->given[i];
		if (given->way == way && syscall(SYS_kcmp, self, self, KCMP_FILE, given->fd, fd) == 0)
			return given;
	}
	return NULL;
}

void machine_enclose_descriptor(struct machine_descriptors *descriptors, struct port *port, struct enclosures *enclosures, int fd, long target)
{
	enum stream_way way = way_of(fd, target);
	const struct given_descriptor *same = same_as(descriptors, fd, way);

	if (same) {
		enclose_stream(enclosures, same->number, way);
		close(fd);
		return;
	}
	uint32_t number = (uint32_t)descriptors->count;
	descriptors->given = xrealloc(descriptors->given, (descriptors->count + 1) * sizeof *descriptors->given);
	descriptors->given[descriptors->count++] = (struct given_descriptor){ fd, number, way };
	port_add(port, number, way == WAY_WRITE ? -1 : reopened(fd, O_RDONLY), way == WAY_READ ? -1 : reopened(fd, O_WRONLY));
	enclose_stream(enclosures, number, way);
}

void machine_forget_descriptors(struct machine_descriptors *descriptors)
{
	for (size_t i = 0; i < descriptors->count; i++)
		close(descriptors->given[i].fd);
	free(descriptors->given);
	*descriptors = (struct machine_descriptors){ 0 };
}
