/* See machine_tree.h. In the directory: `root`, the machine's root with all that is bound below it, and `0`, `1`, … for what the machine
 * itself puts somewhere, below what it mounts. */
#include "machine_tree.h"
#include "mount_tree.h"
#include "namespaces.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char ROOM[] = "mode=755,size=1m";

/* The place in the machine's root; no link in its files leads out of it. */
static int open_inside(int root, const char *path)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };

	return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

/* The same place, made where it is not there, with all above it. */
static int make_inside(int root, const char *path, bool file)
{
	char *copy = xprintf("%s", path), *end = copy;
	int above = dup(root);

	while (above >= 0 && *end) {
		char *name = end + strspn(end, "/"), kept;
		end = name + strcspn(name, "/");
		if (end == name)
			break;
		bool last = !end[strspn(end, "/")];
		kept = *end;
		*end = 0;
		int place = open_inside(root, copy);
		if (place < 0 && errno == ENOENT) {
			if (last && file)
				close_kept(openat(above, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
			else
				mkdirat(above, name, 0755);
			place = open_inside(root, copy);
		}
		*end = kept;
		close_kept(above);
		above = place;
	}
	free(copy);
	return above;
}

/* Mounts the source there, with all below it. */
static bool put_source(const char *source, int place, const char *access)
{
	int tree = mount_tree_open(source);
	bool done = tree >= 0 && (strcmp(access, "ro") || mount_tree_read_only(tree, false)) && mount_tree_attach_at(tree, place);

	close_kept(tree);
	return done;
}

/* A file or a directory to mount upon, as the source is. */
static int make_place(const char *path, const char *source)
{
	struct stat found;

	if (stat(source, &found))
		return -1;
	if (S_ISDIR(found.st_mode)) {
		if (mkdir(path, 0755))
			return -1;
	} else {
		close_once(&(int){ open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644) });
	}
	return open(path, O_PATH | O_CLOEXEC);
}

/* Puts the source at a new place in the directory. */
static bool put_new(const char *folder, const char *name, const char *source, const char *access)
{
	char *path = xprintf("%s/%s", folder, name);
	int place = make_place(path, source);
	bool done = place >= 0 && put_source(source, place, access);

	close_kept(place);
	free(path);
	return done;
}

static bool put_bound(const char *folder, const struct machine_order *order)
{
	char *path = xprintf("%s/root", folder);
	struct stat source;
	bool there = stat(order->words[0], &source) == 0;
	int root = there ? open(path, O_PATH | O_CLOEXEC) : -1;
	int place = root < 0 ? -1 : make_inside(root, order->words[1], !S_ISDIR(source.st_mode));
	bool done = place >= 0 && put_source(order->words[0], place, order->words[2]);

	close_kept(place);
	close_kept(root);
	free(path);
	return done;
}

bool machine_tree_make(const struct machine_options *options, const char **what)
{
	const char *folder = machine_option(options, "folder")->words[0];
	unsigned shared = 0;

	*what = folder;
	if (!own_mounts() || mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, ROOM))
		return false;
	*what = machine_option(options, "root")->words[0];
	if (!put_new(folder, "root", *what, "rw"))
		return false;
	for (size_t i = 0; i < options->order_count; i++) {
		const struct machine_order *order = &options->orders[i];
		*what = order->words[0];
		if (!strcmp(order->name, "bind") && !put_bound(folder, order)) {
			*what = xprintf("%s at %s", order->words[0], order->words[1]);
			return false;
		}
		if (!strcmp(order->name, "share")) {
			char *name = xprintf("%u", shared++);
			bool done = put_new(folder, name, order->words[0], order->words[1]);
			free(name);
			if (!done)
				return false;
		}
	}
	return true;
}
