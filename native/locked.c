/* See locked.h. */
#include "locked.h"
#include "look.h"
#include "namespaces.h"
#include "util.h"
#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The child. */
static _Noreturn void walk_locked(pid_t user_of, char *const *directories)
{
	char *path = xprintf("/proc/%d/ns/mnt", user_of);
	int fd = open(path, O_RDONLY | O_CLOEXEC), owner = fd < 0 ? -1 : ioctl(fd, NS_GET_USERNS);
	bool rights = geteuid() == 0 || (owner >= 0 && !is_own_user_namespace(owner) ? setns(owner, CLONE_NEWUSER) == 0 :
										       user_namespace(geteuid(), getegid()));

	if (!rights)
		look_report_unseen(WAY_LOCKED);
	for (; rights && *directories; directories++) {
		struct found found = { .what = FOUND_TREE };
		int directory = open(*directories, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (directory < 0 && errno == ENOENT)
			continue;
		if (directory < 0 || !walk_tree(directory, &found.bytes, &found.files))
			look_report_unseen(WAY_LOCKED);
		look_report(found);
	}
	_exit(0);
}

bool locked_walk(pid_t user_of, char *const *directories, long long *bytes, long long *files)
{
	struct answer answer;

	if (look_in_child(&answer))
		walk_locked(user_of, directories);
	for (size_t i = 0; i < answer.count; i++) {
		answer.whole = answer.whole && answer.list[i].what == FOUND_TREE;
		*bytes += answer.list[i].bytes;
		*files += answer.list[i].files;
	}
	free(answer.list);
	return answer.whole;
}
