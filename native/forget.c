/* See forget.h. */
#include "forget.h"
#include "remove.h"
#include "util.h"

#include <dirent.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FORGET_MS = 2000, LOOK_US = 100 };

/* Removes all entries of the current directory but that one. */
static void remove_all_but(const char *last)
{
	DIR *directory = opendir(".");
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") && strcmp(entry->d_name, last))
			remove_tree(entry->d_name);
	if (directory)
		closedir(directory);
}

pid_t forget_begin(const char *directory, const char *last)
{
	pid_t child = fork();

	if (child)
		return child;
	close_all_but(NULL, 0);
	if (!chdir(directory)) {
		remove_all_but(last);
		remove_tree(directory);
	}
	_exit(0);
}

void forget_end(pid_t child)
{
	for (int waited_us = 0; child > 0 && waited_us < FORGET_MS * 1000; waited_us += LOOK_US) {
		if (waitpid(child, NULL, WNOHANG))
			return;
		usleep(LOOK_US);
	}
}
