/* See identity.h. */
#include "identity.h"
#include "util.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* `uid gid group,group,…`; the groups may be none. */
bool identity_parse(struct identity *identity, const char *text)
{
	static char copy[65536]; /* more than a small stack has */
	char *rest = copy, *word;
	long number;

	if (strlen(text) >= sizeof copy)
		return false;
	strcpy(copy, text);
	word = strsep(&rest, " ");
	if (!parse_number(word, 0, 0xfffffffeL, &number) || !rest)
		return false;
	identity->uid = (uid_t)number;
	word = strsep(&rest, " ");
	if (!parse_number(word, 0, 0xfffffffeL, &number))
		return false;
	identity->gid = (gid_t)number;
	identity->group_count = 0;
	while (rest && *rest) {
		word = strsep(&rest, ",");
		if (!parse_number(word, 0, 0xfffffffeL, &number))
			return false;
		identity->groups = xrealloc(identity->groups, (identity->group_count + 1) * sizeof(gid_t));
		identity->groups[identity->group_count++] = (gid_t)number;
	}
	identity->wanted = true;
	return true;
}

/* The session keyring goes on through fork and exec, and a process that possesses it may read and change its keys, whatever its uid
 * (session-keyring(7)): what becomes another account gets an empty one. It is made while root pays for it, so that the account
 * cannot keep the old one by using up its own quota. */
static bool leave_keyring(const struct identity *identity)
{
	if (identity->uid == geteuid())
		return true;
	long keyring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	if (keyring < 0) /* a kernel without keys, or a container that forbids the call, to the account too */
		return errno == ENOSYS || errno == EPERM;
	syscall(SYS_keyctl, KEYCTL_CHOWN, keyring, identity->uid, identity->gid); /* the possessor may use it in any case */
	return true;
}

/* The raw calls: the C library's would signal threads that a static program does not have. */
bool identity_take(const struct identity *identity, const char **what)
{
	if (!identity->wanted)
		return true;
	if (!leave_keyring(identity))
		*what = "keyctl";
	else if (syscall(SYS_setgroups, identity->group_count, identity->groups))
		*what = "setgroups";
	else if (syscall(SYS_setresgid, identity->gid, identity->gid, identity->gid))
		*what = "setresgid";
	else if (syscall(SYS_setresuid, identity->uid, identity->uid, identity->uid))
		*what = "setresuid";
	else
		return true;
	return false;
}
