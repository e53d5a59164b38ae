#include "parts.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The path; with an owner where one is given. NULL: it is no place. */
static const char *parse(const char *place, long *uid, long *gid)
{
	char uid_text[16], gid_text[16];
	int at = 0;

	*uid = *gid = -1;
	if (*place == '/')
		return place;
	if (sscanf(place, "%15s %15s %n", uid_text, gid_text, &at) != 2 || place[at] != '/' ||
	    !parse_number(uid_text, 0, 0xfffffffe, uid) || !parse_number(gid_text, 0, 0xfffffffe, gid))
		return NULL;
	return place + at;
}

bool parts_valid(const char *place)
{
	long uid, gid;

	return parse(place, &uid, &gid);
}

int parts_make(const char *place)
{
	long uid, gid;
	const char *path = parse(place, &uid, &gid);

	if (unlink(path) && errno != ENOENT)
		return -1;
	if (mkfifo(path, 0600))
		return -1;
	int fd = above_standard(open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
	/* the caller's umask may have taken something */
	if (fd >= 0 && (fchmod(fd, 0600) || (uid >= 0 && fchown(fd, (uid_t)uid, (gid_t)gid)))) {
		close_kept(fd);
		return -1;
	}
	return fd;
}
