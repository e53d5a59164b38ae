/* See view_ids.h. The kernel's rules are in user_namespaces(7) and mount_setattr(2). */
#include "view_ids.h"
#include "mount_tree.h"
#include "namespaces.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

bool op_namespace(char *const *words)
{
	return (strcmp(words[1], "user") || user_namespace(geteuid(), getegid())) && own_mounts();
}

/* newuidmap(1), newgidmap(1): setuid programs that let a user map what /etc/subuid and /etc/subgid give it.
 * Becomes the program; returns where it cannot be executed. */
static void map_ids(const char *program, pid_t pid, unsigned outer, const char *start, const char *count)
{
	char *process = xprintf("%d", pid), *self = xprintf("%u", outer);
	char *argv[] = { (char *)program, process, (char *)"0", self, (char *)"1", (char *)"1", (char *)start, (char *)count, NULL };

	if (!strcmp(count, "0"))
		argv[5] = NULL;
	execv(program, argv);
	free(process);
	free(self);
}

/* True: it ended with status 0. False, with errno, which says EPERM where it ended otherwise. */
static bool await_child(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	errno = EPERM;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The child that maps ids for its parent, by two programs of which each maps one kind: once `ready` says that there is something to map. */
static _Noreturn void become_mapper(char *const *words, int ready, pid_t parent, uid_t uid, gid_t gid)
{
	sigset_t none;
	char word;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (read(ready, &word, 1) != 1)
		_exit(1);
	pid_t groups = fork();
	if (groups == 0) {
		map_ids("/usr/bin/newgidmap", parent, gid, words[3], words[4]);
		_exit(1);
	}
	if (groups < 0 || !await_child(groups))
		_exit(1);
	map_ids("/usr/bin/newuidmap", parent, uid, words[1], words[2]);
	_exit(1);
}

bool op_root(char *const *words)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	pid_t self = getpid();
	int made[2];

	if (!strcmp(words[2], "0") && !strcmp(words[4], "0"))
		return user_namespace(0, 0) && own_mounts();
	if (pipe2(made, O_CLOEXEC))
		return false;
	pid_t mapper = fork();
	if (mapper == 0) {
		close(made[1]);
		become_mapper(words, made[0], self, uid, gid);
	}
	close(made[0]);
	prctl(PR_SET_DUMPABLE, 1);
	bool apart = mapper > 0 && unshare(CLONE_NEWUSER) == 0;
	int error = errno;
	bool told = apart && write(made[1], "m", 1) == 1;
	close(made[1]);
	bool mapped = mapper > 0 && await_child(mapper) && told;
	if (!apart)
		errno = error;
	/* the maps say which id is root now */
	return mapped && setgid(0) == 0 && setuid(0) == 0 && own_mounts();
}

/* A process that is in a user namespace with these maps, until its end of the pipe is closed. It is the caller's to reap. -1, with
 * errno. */
static pid_t namespace_holder(const char *uids, const char *gids, int *release)
{
	int begun[2], end[2];
	char word;

	if (pipe2(begun, O_CLOEXEC))
		return -1;
	if (pipe2(end, O_CLOEXEC)) {
		close_kept(begun[0]);
		close_kept(begun[1]);
		return -1;
	}
	pid_t holder = fork();
	if (holder == 0) {
		close(end[1]);
		if (unshare(CLONE_NEWUSER) == 0 && write(begun[1], "n", 1) == 1 && read(end[0], &word, 1) >= 0)
			_exit(0);
		_exit(1);
	}
	close_kept(begun[1]);
	close_kept(end[0]);
	char *uid_map = xprintf("/proc/%d/uid_map", holder), *gid_map = xprintf("/proc/%d/gid_map", holder);
	bool made = holder > 0 && read(begun[0], &word, 1) == 1 && write_file(uid_map, uids) && write_file(gid_map, gids);
	close_kept(begun[0]);
	free(uid_map);
	free(gid_map);
	*release = end[1];
	if (made)
		return holder;
	close_kept(end[1]);
	if (holder > 0)
		await_child(holder);
	errno = EPERM;
	return -1;
}

bool op_shift(char *const *words)
{
	int release, tree = mount_tree_open_alone(words[1]);

	if (tree < 0)
		return false;
	pid_t holder = namespace_holder(words[3], words[4], &release);
	if (holder < 0) {
		close_kept(tree);
		return false;
	}
	char *path = xprintf("/proc/%d/ns/user", holder);
	int namespace = open(path, O_RDONLY | O_CLOEXEC);
	bool done = namespace >= 0 && mount_tree_shift(tree, namespace) && mount_tree_attach(tree, words[2]);
	int error = errno;
	close_kept(namespace);
	close_kept(release);
	close_kept(tree);
	free(path);
	await_child(holder);
	errno = error;
	return done;
}
