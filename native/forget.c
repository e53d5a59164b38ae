/* See forget.h. */
#include "forget.h"
#include "remove.h"
#include "util.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FORGET_MS = 2000, LOOK_US = 100 };

/* Removes all entries of the current directory but that one. False when one is still there. */
static bool remove_all_but(const char *last)
{
	DIR *directory = opendir(".");
	struct dirent *entry;
	bool gone = directory != NULL;

	while (directory && (entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") && strcmp(entry->d_name, last)) {
			remove_tree(entry->d_name);
			gone = faccessat(AT_FDCWD, entry->d_name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && gone;
		}
	if (directory)
		closedir(directory);
	return gone;
}

pid_t forget_begin(const char *directory, const char *last)
{
	pid_t child = fork();

	if (child)
		return child;
	close_all_but(NULL, 0);
	/* what is left leads a sweep to the rest */
	if (!chdir(directory) && remove_all_but(last))
		remove_tree(directory);
	_exit(0);
}

/* Waits until the child has removed all that it could. False when it was killed from outside, or there is none. */
static bool has_removed(pid_t child)
{
	int status = 0;

	for (int waited_us = 0; child > 0 && waited_us < FORGET_MS * 1000; waited_us += LOOK_US) {
		if (waitpid(child, &status, WNOHANG))
			return WIFEXITED(status);
		usleep(LOOK_US);
	}
	return child > 0 && kill(child, SIGKILL) == 0;
}

void forget_end(pid_t child, const char *directory, const char *last)
{
	if (!has_removed(child))
		has_removed(forget_begin(directory, last));
}
