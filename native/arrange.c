/* See arrange.h. */
#include "arrange.h"
#include "capabilities.h"
#include "identity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* What else the mount forbids, it goes on to forbid. */
static bool arrange_read_only(const char *path)
{
	const unsigned long kept = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	struct statvfs now;

	return statvfs(path, &now) == 0 && mount(NULL, path, NULL, (now.f_flag & kept) | MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) == 0;
}

/* With all below it, as often as something lies there. */
static bool uncover(const char *path)
{
	while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	return errno == EINVAL || errno == ENOENT;
}

static bool mount_queues(const char *path)
{
	return (mkdir(path, 0755) == 0 || errno == EEXIST) && mount("mqueue", path, "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0;
}

static bool set_mode(const char *word, const char *path)
{
	char *end;
	unsigned long mode = strtoul(word, &end, 8);

	errno = EINVAL;
	return *word && !*end && mode <= 07777 && chmod(path, (mode_t)mode) == 0;
}

static bool arrange_path(const char *word, const char *path)
{
	if (!strcmp(word, "readOnly"))
		return arrange_read_only(path);
	if (!strcmp(word, "uncover"))
		return uncover(path);
	if (!strcmp(word, "queues"))
		return mount_queues(path);
	if (!strcmp(word, "hostname"))
		return sethostname(path, strlen(path)) == 0;
	return set_mode(word, path);
}

bool arrange(char **words, const char **what)
{
	struct identity identity = { 0 };

	*what = words[0];
	errno = EINVAL;
	if (!identity_parse(&identity, words[0]))
		return false;
	for (words++; words[0] && words[1]; words += 2) {
		*what = words[1];
		if (!arrange_path(words[0], words[1]))
			return false;
	}
	errno = EINVAL;
	*what = words[0];
	if (words[0])
		return false;
	*what = "capabilities";
	if (!bound_set(0) || !identity_take(&identity, what))
		return false;
	*what = "capabilities";
	if (!bound_capabilities(0))
		return false;
	*what = "no_new_privs";
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}
