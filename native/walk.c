/* See walk.h. */
#include "walk.h"
#include "held.h"
#include "look.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_DEPTH = 256 };

/* One directory, which is taken over. `links`: inodes of files with several names, which count once. */
static bool walk_level(int directory, dev_t device, int depth, struct things *links, long long *bytes, long long *files)
{
	DIR *listing = fdopendir(directory);
	const struct dirent *entry;
	struct stat status;
	bool whole = listing && depth < MOST_DEPTH;

	if (!listing)
		close(directory);
	while (listing && (entry = readdir(listing))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) || status.st_dev != device)
			continue;
		if (S_ISDIR(status.st_mode) || status.st_nlink < 2 || things_add(links, 0, status.st_ino)) {
			*bytes += status.st_blocks * BLOCK_UNIT;
			++*files;
		}
		if (look_is_late())
			whole = false;
		if (!S_ISDIR(status.st_mode) || !whole)
			continue;
		int below = openat(directory, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		whole = below >= 0 && walk_level(below, device, depth + 1, links, bytes, files) && whole;
	}
	if (listing)
		closedir(listing);
	return whole;
}

bool walk_tree(int directory, long long *bytes, long long *files)
{
	struct things links = { 0 };
	struct stat status;
	bool whole = fstat(directory, &status) == 0 && walk_level(directory, status.st_dev, 0, &links, bytes, files);

	free(links.items);
	return whole;
}
