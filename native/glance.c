/* A look at the node that costs next to nothing: `tare node probe` writes down what it saw (src/node-state/glance.ts), one line for each
 * thing, and the next call only compares. What is different, or not understood, is the JavaScript's to look at. */
#include "glance.h"
#include "util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GLANCE_FILE "/var/lib/tare/node/glance"

enum { GLANCE_MAX = 256 * 1024, NAMES_MAX = 20000, WRITTEN = 4096, RUN_MS = 5000, LOOK_MS = 5 };

bool glance_asked(int argc, char **argv)
{
	if (geteuid() != 0 || argc < 3 || strcmp(argv[1], "node") || strcmp(argv[2], "probe"))
		return false;
	return argc == 3 || (argc == 4 && (!strcmp(argv[3], "-q") || !strcmp(argv[3], "--quiet")));
}

/* The text of a file that belongs to root and that only root can change: else NULL. The caller frees it. */
static char *read_own(const char *path)
{
	struct stat found;
	int fd = above_standard(open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
	char *text = NULL;
	ssize_t length = -1;

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &found) && S_ISREG(found.st_mode) && found.st_uid == 0 && !(found.st_mode & 022) &&
	    found.st_size <= GLANCE_MAX) {
		text = xrealloc(NULL, GLANCE_MAX + 1);
		length = read(fd, text, GLANCE_MAX);
	}
	close(fd);
	if (length >= 0) {
		text[length] = 0;
		return text;
	}
	free(text);
	return NULL;
}

/* The next word of a line as a number; false when it is none. */
static bool take_number(char **rest, long long *number)
{
	char *word = strsep(rest, " "), *end;

	if (!word || !*word)
		return false;
	errno = 0;
	*number = strtoll(word, &end, 10);
	return !*end && !errno;
}

/* same SIZE SECONDS NANOSECONDS INODE PATH */
static bool is_same_file(char *rest)
{
	long long size, seconds, nanoseconds, inode;
	struct stat found;

	return take_number(&rest, &size) && take_number(&rest, &seconds) && take_number(&rest, &nanoseconds) &&
	       take_number(&rest, &inode) && rest && !stat(rest, &found) && found.st_size == size &&
	       found.st_mtim.tv_sec == seconds && found.st_mtim.tv_nsec == nanoseconds && (long long)found.st_ino == inode;
}

/* kind UID MODE PATH: of what is no link, the owner and the mode with the type. */
static bool is_kind(char *rest)
{
	long long uid, mode;
	struct stat found;

	return take_number(&rest, &uid) && take_number(&rest, &mode) && rest && !lstat(rest, &found) &&
	       found.st_uid == (uid_t)uid && found.st_mode == (mode_t)mode;
}

/* room BYTES INODES PATH; some file systems count no inodes. */
static bool has_room(char *rest)
{
	long long bytes, inodes;
	struct statvfs found;

	return take_number(&rest, &bytes) && take_number(&rest, &inodes) && rest && !statvfs(rest, &found) &&
	       (long long)found.f_bavail * (long long)found.f_bsize >= bytes &&
	       (found.f_files == 0 || (long long)found.f_favail >= inodes);
}

/* write DIRECTORY: a file can be made, filled and removed there. */
static bool can_write(const char *directory)
{
	static const char nothing[WRITTEN];
	char *path = xprintf("%s/.tare-probe-%d-%lld.tmp", directory, (int)getpid(), monotonic_us());
	int fd = above_standard(open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
	bool written = fd >= 0 && write_all(fd, nothing, sizeof nothing) && !fsync(fd);

	if (fd >= 0) {
		close(fd);
		written = !unlink(path) && written;
	}
	free(path);
	return written;
}

/* quiet MILLISECONDS DIRECTORY: nothing in it was changed since, by the time of change, which no call sets. */
static bool is_quiet(char *rest)
{
	long long since;
	struct stat found;
	bool quiet = true;

	if (!take_number(&rest, &since) || !rest)
		return false;
	DIR *directory = opendir(rest);
	if (!directory)
		return false;
	struct dirent *entry;
	for (int seen = 0; quiet && (entry = readdir(directory)); seen++) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		quiet = seen < NAMES_MAX && !fstatat(dirfd(directory), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) &&
			found.st_ctim.tv_sec * 1000LL + found.st_ctim.tv_nsec / 1000000 < since;
	}
	closedir(directory);
	return quiet;
}

/* runs PROGRAM: it says its version. */
static bool does_run(const char *program)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return false;
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);
		char *argv[] = { (char *)program, (char *)"--version", NULL }, *environment[] = { NULL };
		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		execve(program, argv, environment);
		_exit(EXIT_NOT_EXECUTED);
	}
	for (int waited = 0; waited < RUN_MS; waited += LOOK_MS) {
		struct timespec moment = { .tv_nsec = LOOK_MS * 1000000L };
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) && WEXITSTATUS(status) == 0;
		nanosleep(&moment, NULL);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return false;
}

/* boot ID */
static bool is_boot(const char *id)
{
	char now[64];
	int fd = above_standard(open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
	ssize_t length = fd < 0 ? -1 : read(fd, now, sizeof now - 1);

	close_kept(fd);
	if (length <= 0)
		return false;
	now[length] = 0;
	now[strcspn(now, "\n")] = 0;
	return !strcmp(now, id);
}

/* before SECONDS: nothing is due yet. A clock that was set back a long way is no reason to wait. */
static bool is_before(char *rest)
{
	enum { LONGEST = 3600 };
	long long due, now = time(NULL);

	return take_number(&rest, &due) && now < due && due - now < LONGEST;
}

/* Whether a line still holds. An unknown line does not. */
static bool holds(char *line)
{
	char *rest = line, *what = strsep(&rest, " ");

	if (!rest)
		return false;
	if (!strcmp(what, "same"))
		return is_same_file(rest);
	if (!strcmp(what, "kind"))
		return is_kind(rest);
	if (!strcmp(what, "room"))
		return has_room(rest);
	if (!strcmp(what, "write"))
		return can_write(rest);
	if (!strcmp(what, "quiet"))
		return is_quiet(rest);
	if (!strcmp(what, "runs"))
		return does_run(rest);
	if (!strcmp(what, "boot"))
		return is_boot(rest);
	if (!strcmp(what, "before"))
		return is_before(rest);
	if (!strcmp(what, "gone"))
		return access(rest, F_OK) && (errno == ENOENT || errno == ENOTDIR);
	return false;
}

bool glance_unchanged(void)
{
	static const char head[] = "tare-glance 1\ntouch ";
	char *text = read_own(GLANCE_FILE), *result = NULL;
	bool unchanged = false;

	if (text && !strncmp(text, head, sizeof head - 1)) {
		char *rest = text + sizeof head - 1, *line;
		result = strsep(&rest, "\n");
		/* one that was cut off has no end */
		while (!unchanged && (line = strsep(&rest, "\n"))) {
			unchanged = !strcmp(line, "end");
			if (!unchanged && !holds(line))
				break;
		}
	}
	if (unchanged) {
		int fd = above_standard(open(result, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
		unchanged = fd >= 0 && !futimens(fd, NULL);
		close_kept(fd);
	}
	free(text);
	return unchanged;
}
