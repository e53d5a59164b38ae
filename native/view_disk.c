/* See view_disk.h. The kernel's rules are in loop(4) and tmpfs(5). */
#include "view_disk.h"
#include "util.h"
#include "view_fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOP_TRIES = 64 }; /* a free device can be taken by another before we have it */

/* The device becomes the file, and is free again with its last mount. False, with errno. */
static bool configure_loop(int device, int file)
{
	struct loop_config config = { .fd = (unsigned)file, .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	struct loop_info64 info = { .lo_flags = LO_FLAGS_AUTOCLEAR };

	if (ioctl(device, LOOP_CONFIGURE, &config) == 0)
		return true;
	if (errno != EINVAL && errno != ENOTTY) /* Linux 5.8 */
		return false;
	if (ioctl(device, LOOP_SET_FD, file))
		return false;
	if (ioctl(device, LOOP_SET_STATUS64, &info) == 0)
		return true;
	int error = errno;
	ioctl(device, LOOP_CLR_FD, 0);
	errno = error;
	return false;
}

/* A loop device that is the file, open, and its name; -1, with errno. Read-only where the file was opened so. */
static int open_loop(int file, char *name, size_t size)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), device = -1;

	for (int tries = 0; control >= 0 && device < 0 && tries < LOOP_TRIES; tries++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);
		if (number < 0)
			break;
		snprintf(name, size, "/dev/loop%d", number);
		device = open(name, O_RDWR | O_CLOEXEC);
		if (device < 0)
			break;
		if (!configure_loop(device, file)) {
			close_kept(device);
			device = -1;
			if (errno != EBUSY)
				break;
		}
	}
	close_kept(control);
	return device;
}

bool op_loop(char *const *words)
{
	char name[32];
	int file = open(words[1], O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	int device = file < 0 ? -1 : open_loop(file, name, sizeof name);
	/* nothing of it is to outlast the box: no barriers, and no thread that writes empty inode tables */
	bool mounted = device >= 0 && mount(name, words[2], "ext4", MS_NOSUID | MS_NODEV, "nobarrier,noinit_itable") == 0 &&
		       chmod(words[2], 0711) == 0;
	close_kept(device);
	close_kept(file);
	return mounted;
}

/* Mounts by the kernel; the loop device is read-only, since the file is opened read-only. */
static bool mount_squashfs(const char *path, const char *directory)
{
	char name[32];
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int device = file < 0 ? -1 : open_loop(file, name, sizeof name);
	bool mounted = device >= 0 && mount(name, directory, "squashfs", MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) == 0;
	close_kept(device);
	close_kept(file);
	return mounted;
}

bool op_squashfs(char *const *words)
{
	if (!*words[3])
		return mount_squashfs(words[1], words[2]);
	char *options = xprintf("ro,nosuid,nodev%s%s", *words[4] ? "," : "", words[4]);
	bool served = fuse_serve(words[3], options, words[1], words[2]);
	int error = errno;
	free(options);
	errno = error;
	return served;
}

bool op_tmpfs(char *const *words)
{
	char *data = xprintf("mode=0711,size=%s", words[2]);
	bool mounted = mount("tmpfs", words[1], "tmpfs", MS_NOSUID | MS_NODEV, data) == 0;

	free(data);
	return mounted;
}

/* The kernel gives the terminals' ptmx to uid 0 of this user namespace, and refuses where there is none. */
bool op_devpts(char *const *words)
{
	return mount("devpts", words[1], "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620") == 0;
}

bool op_directory(char *const *words)
{
	long mode = strtol(words[2], NULL, 8), uid = -1, gid = -1;

	if (mkdir(words[1], 0700))
		return false;
	if (*words[3] && (!parse_number(words[3], 0, 0xfffffffeL, &uid) || !parse_number(words[4], 0, 0xfffffffeL, &gid))) {
		errno = EINVAL;
		return false;
	}
	return chown(words[1], (uid_t)uid, (gid_t)gid) == 0 && chmod(words[1], (mode_t)mode) == 0;
}
