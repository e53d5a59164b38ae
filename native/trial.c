/* Three tools of the supervisor's: whether an overlay works here, which directories of an upper layer are opaque, and the removal of
 * what a user's small machine has left under other ids. */
#include "trial.h"
#include "remove.h"
#include "util.h"
#include "view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

enum {
	OPEN_AT_ONCE = 32,
	OWN_DEPTH = 400, /* each has a descriptor open */
};

/* Makes an empty file. False, with errno. */
static bool make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd >= 0 && close(fd) == 0;
}

/* What a payload would do: changes a file of the lower layer, and replaces a directory of it. */
static const char *use(void)
{
	if (!make_file("merged/file"))
		return "write to a file";
	if (rmdir("merged/directory"))
		return "remove a directory";
	if (mkdir("merged/directory", 0700))
		return "make it again";
	if (symlink("file", "merged/link") || rename("merged/file", "merged/moved"))
		return "rename a file";
	return NULL;
}

/* Builds and uses an overlay in the present directory. NULL, or what failed, with errno. */
static const char *try_in(const char *how, const char *options)
{
	static const char *step, *what;
	struct view view = { 0 };
	bool fuse = !strcmp(how, "fuse"), root = !strcmp(how, "root");
	const char *words[][VIEW_WORDS] = {
		{ "namespace", root ? "mount" : "user" },
		{ fuse ? "fuse" : "overlay", "lower", "upper", "work", "merged", fuse ? NULL : options },
		{ root ? "graft" : NULL, "lower", "lower/directory" },
	};

	if (mkdir("lower", 0700) || mkdir("upper", 0700) || mkdir("work", 0700) || mkdir("merged", 0700) ||
	    mkdir("lower/directory", 0700) || !make_file("lower/file"))
		return "make a directory";
	for (size_t i = 0; i < sizeof words / sizeof *words && words[i][0]; i++)
		for (size_t j = 0; j < VIEW_WORDS && words[i][j]; j++)
			view_add(&view, j == 0, words[i][j]);
	if (view_wrong(&view))
		return "parse";
	return view_build(&view, &step, &what) ? use() : step;
}

/* `tare-trial user|root|fuse DIRECTORY OPTIONS`: one line, `ok` or what failed and why. */
int trial_main(int argc, char **argv)
{
	if (argc != 5)
		return EXIT_WRAPPER;
	char *place = xprintf("%s/.tare-trial-XXXXXX", argv[3]);
	if (!mkdtemp(place)) {
		printf("%s: %s\n", argv[3], strerror(errno));
		return 0;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		const char *failed = chdir(place) ? "chdir" : try_in(argv[2], argv[4]);
		if (failed)
			printf("%s: %s\n", failed, strerror(errno));
		else
			puts("ok");
		fflush(stdout);
		_exit(0);
	}
	if (pid < 0)
		printf("fork: %s\n", strerror(errno));
	while (wait(NULL) > 0) /* what serves an overlay, too */
		;
	remove_tree(place);
	free(place);
	return 0;
}

static size_t root_length;

/* Prints an opaque directory; for nftw(3). */
static int tell_opaque(const char *path, const struct stat *found, int kind, struct FTW *where)
{
	static const char *const names[] = { "trusted.overlay.opaque", "user.overlay.opaque", "trusted.fuseoverlayfs.opaque",
					     "user.fuseoverlayfs.opaque" };
	char value;

	(void)found;
	/* the present directory is the one that holds it, however long the path */
	for (size_t i = 0; (kind == FTW_D || kind == FTW_DNR) && where->level && i < sizeof names / sizeof *names; i++)
		if (lgetxattr(path + where->base, names[i], &value, 1) == 1 && value == 'y') {
			fwrite(path + root_length + 1, 1, strlen(path + root_length), stdout); /* its NUL too */
			break;
		}
	return 0;
}

/* `tare-opaque DIRECTORY`: the opaque directories below it, each with a NUL after it. */
int opaque_main(const char *directory)
{
	root_length = strlen(directory);
	return nftw(directory, tell_opaque, OPEN_AT_ONCE, FTW_PHYS | FTW_CHDIR) || fflush(stdout) ? EXIT_WRAPPER : 0;
}

/* `tare-clear UIDS COUNT GIDS COUNT DIRECTORY…`, as the op `root` has them. */
int clear_main(char **ids, char **directories)
{
	struct view view = { 0 };
	const char *step = NULL, *what = NULL;
	bool known = view_add(&view, true, "root");

	for (int i = 0; i < 4; i++)
		known = known && view_add(&view, false, ids[i]);
	if (!known || view_wrong(&view))
		die("tare-clear: uids and gids as start and count, then directories");
	if (!view_build(&view, &step, &what))
		die("tare-clear: user namespace: %s", strerror(errno));
	bool left = false;
	for (; *directories; directories++) {
		remove_tree(*directories);
		left = left || access(*directories, F_OK) == 0 || errno != ENOENT;
	}
	return left ? EXIT_WRAPPER : 0;
}

struct ids {
	long first, count, own;
};

/* Parses first id, count, and new owner. */
static bool parse_ids(struct ids *ids, char **words)
{
	return parse_number(words[0], 0, 0xfffffffeL, &ids->first) && parse_number(words[1], 0, 0xffffffffL, &ids->count) &&
	       parse_number(words[2], 0, 0xfffffffeL, &ids->own);
}

/* The new owner of an id; -1: it stays. */
static unsigned owned(const struct ids *ids, unsigned id)
{
	return id >= ids->first && id < ids->first + ids->count ? (unsigned)ids->own : (unsigned)-1;
}

/* The file that is looked at is the one that is changed, whatever is put in its place meanwhile. */
static void own_at(int at, const char *name, dev_t device, const struct ids *ids, int depth)
{
	struct stat found;
	int fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	/* a path that was made to lead elsewhere leads to no directory of the account's */
	if (fd < 0 || fstat(fd, &found) || (device ? found.st_dev != device : found.st_uid != (uid_t)ids[0].own)) {
		close_kept(fd);
		return;
	}
	unsigned uid = owned(&ids[0], found.st_uid), gid = owned(&ids[1], found.st_gid);
	if (uid != (unsigned)-1 || gid != (unsigned)-1)
		fchownat(fd, "", uid, gid, AT_EMPTY_PATH);
	int inner = S_ISDIR(found.st_mode) && depth < OWN_DEPTH ? openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	close_kept(fd);
	DIR *directory = inner < 0 ? NULL : fdopendir(inner);
	if (!directory) {
		close_kept(inner);
		return;
	}
	for (const struct dirent *entry; (entry = readdir(directory));)
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			own_at(inner, entry->d_name, found.st_dev, ids, depth + 1);
	closedir(directory);
}

/* `tare-own UID COUNT OWN GID COUNT OWN DIRECTORY…`: what is below a directory, on its disk, and belongs to an id of the range becomes
 * OWN's. The directory itself has to be OWN's. Links are not followed. */
int own_main(char **words)
{
	struct ids ids[2];

	if (!parse_ids(&ids[0], words) || !parse_ids(&ids[1], words + 3))
		die("tare-own: uids and gids as start, count and whose they become, then directories");
	for (words += 6; *words; words++)
		own_at(AT_FDCWD, *words, 0, ids, 0);
	return 0;
}
