/* See machine_mounts.h. What is said here of paths is of the box's root, which is this process's by the time that anything else is mounted: a
 * link in it leads nowhere else. */
#include "machine_mounts.h"
#include "machine_groups.h"
#include "machine_options.h"
#include "mount_tree.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { PLACES_MAX = 256 };

static const char FILES[] = "/files", ROOT[] = "/root";

/* What the node shares beside the root, in hand before the root changes. */
struct places {
	int trees[PLACES_MAX];
};

static const struct node {
	const char *name;
	unsigned major, minor;
} NODES[] = {
	{ "null", 1, 3 }, { "zero", 1, 5 }, { "full", 1, 7 }, { "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};

static const struct link {
	const char *name, *to;
} LINKS[] = {
	{ "fd", "/proc/self/fd" },	  { "stdin", "/proc/self/fd/0" }, { "stdout", "/proc/self/fd/1" },
	{ "stderr", "/proc/self/fd/2" }, { "ptmx", "pts/ptmx" },
};

/* A directory with all above it, or with `file` an empty file in such a one. What is there already is as good. */
static bool make_path(const char *path, bool file)
{
	char *copy = xprintf("%s", path);

	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdir(copy, 0755);
		*slash = '/';
	}
	free(copy);
	if (!file)
		return mkdir(path, 0755) == 0 || errno == EEXIST;
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	close_kept(fd);
	return fd >= 0 || errno == EISDIR || errno == EROFS;
}

static bool mount_new(const char *type, const char *place, unsigned long flags, const char *data)
{
	return make_path(place, false) && mount(type, place, type, flags, data) == 0;
}

/* /dev: what every program expects, terminals and queues. */
static bool make_devices(const char *place)
{
	if (!mount_new("tmpfs", place, MS_NOSUID, "mode=755,size=64m") || chdir(place))
		return false;
	for (size_t i = 0; i < sizeof NODES / sizeof *NODES; i++)
		if (mknod(NODES[i].name, S_IFCHR | 0666, makedev(NODES[i].major, NODES[i].minor)) || chmod(NODES[i].name, 0666))
			return false;
	for (size_t i = 0; i < sizeof LINKS / sizeof *LINKS; i++)
		if (symlink(LINKS[i].to, LINKS[i].name))
			return false;
	bool made = mkdir("pts", 0755) == 0 && mkdir("shm", 01777) == 0 && mkdir("mqueue", 0755) == 0 &&
		    mount("devpts", "pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620") == 0;
	/* not every kernel has queues */
	mount("mqueue", "mqueue", "mqueue", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
	return chdir("/") == 0 && made;
}

/* A device of the machine's kernel; 10, 229 is /dev/fuse (devices.txt of Linux). */
static bool make_device(const char *place)
{
	return !strcmp(place, "/dev/fuse") && mknod(place, S_IFCHR | 0666, makedev(10, 229)) == 0 && chmod(place, 0666) == 0;
}

static bool place_shared(const struct places *places, char *const *words)
{
	long index;
	struct stat found;

	if (!parse_number(words[0], 0, PLACES_MAX - 1, &index) || places->trees[index] < 0 || fstat(places->trees[index], &found))
		return false;
	return make_path(words[1], !S_ISDIR(found.st_mode)) &&
	       (strcmp(words[2], "ro") || mount_tree_read_only(places->trees[index], false)) &&
	       mount_tree_attach(places->trees[index], words[1]);
}

/* What this kernel does not have cannot be written to. */
static bool hold_read_only(const char *place)
{
	int tree = mount_tree_open(place);
	if (tree < 0 && errno == ENOENT)
		return true;
	bool done = tree >= 0 && mount_tree_read_only(tree, false) && mount_tree_attach(tree, place);

	close_kept(tree);
	return done;
}

static bool mount_one(const struct places *places, const struct machine_order *order)
{
	char *const *words = order->words;
	const unsigned long bare = MS_NOSUID | MS_NOEXEC | MS_NODEV;

	if (!strcmp(order->name, "processes"))
		return machine_groups_limit(words[0]);
	if (!strcmp(order->name, "hostname"))
		return sethostname(words[0], strlen(words[0])) == 0;
	if (!strcmp(order->name, "proc"))
		return mount_new("proc", words[0], bare, words[1]);
	if (!strcmp(order->name, "sys"))
		return mount_new("sysfs", words[0], bare | MS_RDONLY, NULL);
	if (!strcmp(order->name, "dev"))
		return make_devices(words[0]);
	if (!strcmp(order->name, "device"))
		return make_device(words[0]);
	if (!strcmp(order->name, "tmpfs")) {
		char *data = xprintf("mode=%s%s%s", words[1], *words[2] ? ",size=" : "", words[2]);
		bool done = mount_new("tmpfs", words[0], MS_NOSUID | MS_NODEV, data);
		free(data);
		return done;
	}
	if (!strcmp(order->name, "place"))
		return place_shared(places, words);
	return !strcmp(order->name, "readonly") && hold_read_only(words[0]);
}

/* The next order of the letter. False: there is none, or it is none. */
static bool next_order(char **at, const char *end, struct machine_order *order)
{
	int words = *at < end ? machine_order_words(*at, true) : -1;

	if (words < 0)
		return false;
	order->name = *at;
	*at += strlen(*at) + 1;
	for (int i = 0; i < words; i++) {
		if (*at >= end)
			return false;
		order->words[i] = *at;
		*at += strlen(*at) + 1;
	}
	return true;
}

/* The root is virtiofs; the first root of the kernel stays below it, and cannot be unmounted. */
static bool change_root_to_files(struct places *places)
{
	char *root = xprintf("%s/root", FILES);

	if (mount("tare", FILES, "virtiofs", MS_NOSUID | MS_NODEV, NULL))
		return false;
	for (int i = 0; i < PLACES_MAX; i++) {
		char *path = xprintf("%s/%d", FILES, i);
		places->trees[i] = mount_tree_open(path);
		free(path);
		if (places->trees[i] < 0)
			break;
	}
	bool done = mount(root, ROOT, NULL, MS_BIND, NULL) == 0 && chdir(ROOT) == 0 && mount(".", "/", NULL, MS_MOVE, NULL) == 0 &&
		    chroot(".") == 0 && chdir("/") == 0;
	free(root);
	return done;
}

bool machine_mounts_make(char *orders, size_t size, const char **what)
{
	static struct places places;
	char *at = orders, *end = orders + size;
	struct machine_order order = { 0 };

	for (int i = 0; i < PLACES_MAX; i++)
		places.trees[i] = -1;
	*what = "the node's files in the machine (virtiofs; its kernel has to have it built in)";
	if (!change_root_to_files(&places))
		return false;
	while (at < end) {
		*what = "the boot letter";
		errno = EPROTO;
		if (!next_order(&at, end, &order))
			return false;
		*what = xprintf("%s %s in the machine", order.name, order.words[0]);
		errno = 0;
		if (!mount_one(&places, &order))
			return false;
	}
	return true;
}
