/* See view_overlay.h. The kernel's rules are in filesystems/overlayfs. */
#include "view_overlay.h"
#include "util.h"
#include "view_fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* The upper directory stands for the lower one: owner and mode, as far as this process may. Where it may not, its own
 * access stays what it was, since it becomes the owner. False, with errno. */
static bool mirror(int lower, int upper)
{
	struct stat wanted, found;

	if (fstat(lower, &wanted) || fstat(upper, &found))
		return false;
	mode_t mode = wanted.st_mode & 01777;
	if (wanted.st_uid != found.st_uid || wanted.st_gid != found.st_gid) {
		if (fchown(upper, wanted.st_uid, wanted.st_gid) == 0)
			return fchmod(upper, wanted.st_mode & 07777) == 0;
		if (wanted.st_uid != found.st_uid) {
			mode_t access = wanted.st_gid == getegid() ? (mode >> 3) & 7 : mode & 7;
			mode = (mode & 01077) | access << 6;
		}
	}
	return fchmod(upper, mode) == 0;
}

/* A path for the option text, in which some characters separate: the caller frees it. */
static char *layer(const char *path, int fd)
{
	return strpbrk(path, "\\,:") ? xprintf("/proc/self/fd/%d", fd) : xprintf("%s", path);
}

struct layers {
	int lower, upper, work;
	char *text; /* lowerdir=…,upperdir=…,workdir=… */
};

/* Keeps errno. */
static void layers_close(struct layers *layers)
{
	int error = errno;

	close_kept(layers->lower);
	close_kept(layers->upper);
	close_kept(layers->work);
	free(layers->text);
	errno = error;
}

/* False, with errno; then nothing is open. */
static bool layers_open(struct layers *layers, const char *lower, const char *upper, const char *work)
{
	*layers = (struct layers){ -1, -1, -1, NULL };
	if ((layers->lower = open(lower, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    (layers->upper = open(upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0 ||
	    (layers->work = open(work, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0 ||
	    !mirror(layers->lower, layers->upper)) {
		layers_close(layers);
		return false;
	}
	char *low = layer(lower, layers->lower), *up = layer(upper, layers->upper), *busy = layer(work, layers->work);
	layers->text = xprintf("lowerdir=%s,upperdir=%s,workdir=%s", low, up, busy);
	free(low);
	free(up);
	free(busy);
	return true;
}

bool op_overlay(char *const *words)
{
	struct layers layers;

	if (!layers_open(&layers, words[1], words[2], words[3]))
		return false;
	char *data = xprintf("%s%s%s", layers.text, *words[5] ? "," : "", words[5]);
	bool mounted = mount("overlay", words[4], "overlay", MS_NOSUID | MS_NODEV, data) == 0;
	free(data);
	layers_close(&layers);
	return mounted;
}

bool op_fuse(char *const *words)
{
	struct layers layers;

	if (!layers_open(&layers, words[1], words[2], words[3]))
		return false;
	bool served = fuse_serve("/usr/bin/fuse-overlayfs", layers.text, NULL, words[4]);
	layers_close(&layers);
	return served;
}

/* -1, with errno, for a link too. */
static int open_directory_at(int at, const char *name)
{
	return at < 0 ? -1 : openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* Whether the lower side has there what can be mounted upon. */
static bool has_point(int lower, const char *name, bool directory)
{
	struct stat found;

	return lower >= 0 && fstatat(lower, name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (directory ? S_ISDIR(found.st_mode) : S_ISREG(found.st_mode));
}

/* One directory further down on both sides; in the upper one it is made. A link of the lower side is covered. */
static bool descend(int *lower, int *upper, const char *name)
{
	int below = open_directory_at(*lower, name);

	bool made = mkdirat(*upper, name, 0755) == 0;
	if (!made && errno != EEXIST)
		return false;
	int fresh = open_directory_at(*upper, name);
	struct stat above;
	/* whatever the umask; what the lower side lacks is whose the directory above it is */
	bool given = !made || (fresh >= 0 && fchmod(fresh, 0755) == 0 && fstat(*upper, &above) == 0 &&
			       fchown(fresh, above.st_uid, above.st_gid) == 0);
	if (fresh < 0 || !given || (below >= 0 && !mirror(below, fresh)))
		return false;
	close(*upper);
	close_kept(*lower);
	*upper = fresh;
	*lower = below;
	return true;
}

bool op_point(char *const *words)
{
	struct stat node;
	char *copy = xprintf("%s", words[3]), *rest = copy, *name, *next;
	int lower = open(words[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int upper = open(words[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	bool made = lower >= 0 && upper >= 0;
	bool wanted = stat(words[3], &node) == 0;

	/* from the first that is lacking on, or the kernel would have to find them */
	for (name = strsep(&rest, "/"); made && wanted && name; name = next) {
		for (next = strsep(&rest, "/"); next && !*next; next = strsep(&rest, "/"))
			;
		if (!*name)
			continue;
		bool directory = next || S_ISDIR(node.st_mode);
		if (!next && has_point(lower, name, directory))
			break;
		if (directory) {
			made = descend(&lower, &upper, name);
			continue;
		}
		int file = openat(upper, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		made = file >= 0 && fchmod(file, 0644) == 0;
		close_kept(file);
	}
	int error = errno;
	close_kept(lower);
	close_kept(upper);
	free(copy);
	errno = error;
	return made;
}
