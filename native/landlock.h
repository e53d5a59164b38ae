/* A second wall around what is read-only in the box (landlock(7)): it stands when a mount does not. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct landlock {
	unsigned long long rights; /* that need permission, LANDLOCK_ACCESS_FS_*; 0: no wall */
	unsigned long long scopes; /* what is done to nothing outside, LANDLOCK_SCOPE_*; 0: the kernel need not know of them */
	const char **places; /* where all of them are given, with what lies below */
	size_t count;
};

/* Whether the text is rights, or scopes, in hexadecimal, at least one. Which of them there are the kernel says. */
bool landlock_rights(const char *text, unsigned long long *rights);

/* For this process and all that it will start, for good. `fds`: what is open for writing there stays so when it is opened once more
 * (/proc/self/fd). A place that is not there, or cannot be reached, cannot be written to here either. Takes no_new_privs. False, with errno;
 * `what` then says what it is about. */
bool landlock_restrict(const struct landlock *wall, const int *fds, size_t count, const char **what);

/* `tare-landlock version`: prints the version of the kernel's interface, 0 where there is none. */
int landlock_main(void);
