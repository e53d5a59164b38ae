/* See held.h. */
#include "held.h"
#include "util.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447 /* the same everywhere; Linux 5.14 */
#endif

enum { NO_DEVICE = -1 };

/* The device of a file that is made for this, and closed. */
static uint64_t device_of(int fd)
{
	struct stat status;
	uint64_t device = fd >= 0 && fstat(fd, &status) == 0 ? status.st_dev : (uint64_t)NO_DEVICE;

	close_kept(fd);
	return device;
}

uint64_t memfd_device(void)
{
	static uint64_t device;

	if (!device)
		device = device_of(memory_file("tare", false));
	return device;
}

uint64_t secret_device(void)
{
	static uint64_t device;

	if (!device)
		device = device_of((int)syscall(SYS_memfd_secret, O_CLOEXEC));
	return device;
}
