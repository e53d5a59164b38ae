/* A wrapper without a supervisor must not look like a finished job: HTCondor's starter gives a job back to the queue when the file that it
 * names exists (HTCondor manual, USER_JOB_WRAPPER). Everything else that a batch system is told is the supervisor's business. */
#include "starter.h"
#include "identity.h"
#include "util.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* By convention, the uid and the gid of processes without an account. */
enum { NOBODY = 65534 };

/* condor_ssh_to_job: the file would end the job that is being looked into. */
static bool is_session(const struct caller *caller)
{
	const char *program = caller->argc > 1 ? caller->argv[1] : "", *slash = strrchr(program, '/');

	return slash && !strcmp(slash, "/sshd");
}

/* The path that HTCondor's starter looks at; NULL: none. */
static const char *error_file(const struct caller *caller)
{
	return is_session(caller) ? NULL : environment_get(caller->environment, "_CONDOR_WRAPPER_ERROR_FILE");
}

void starter_forget(const struct caller *caller)
{
	const char *path = error_file(caller);

	if (path)
		unlink(path);
}

/* The caller's environment chose the path: root is the job's account from here on, for good, as far as it is known without the
 * supervisor. That is the owner of the directory that the job was started in; of root's own, nobody. */
static bool become_account(void)
{
	struct stat here;
	struct identity account = { .wanted = true, .uid = NOBODY, .gid = NOBODY };
	const char *what;

	if (geteuid() != 0)
		return true;
	if (!stat(".", &here) && here.st_uid != 0)
		account.uid = here.st_uid;
	return identity_take(&account, &what);
}

void starter_tell(const struct caller *caller, const char *line)
{
	const char *path = error_file(caller);

	if (!path || !become_account())
		return;
	int fd = above_standard(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644));
	if (fd < 0)
		return;
	fchmod(fd, 0644); /* the starter reads it as another user, whatever the job's umask is */
	write_all(fd, line, strlen(line));
	write_all(fd, "\n", 1);
	close(fd);
	/* The starter looks for it as another user, and by default no other account can enter the scratch directory. */
	const char *slash = strrchr(path, '/');
	char *directory = slash > path ? xmemdup(path, (size_t)(slash - path) + 1) : NULL;
	struct stat found;
	if (directory) {
		directory[slash - path] = 0;
		if (!stat(directory, &found))
			chmod(directory, (found.st_mode & 07777) | 0111);
		free(directory);
	}
}
