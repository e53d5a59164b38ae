/* A source of nsswitch.conf(5) for tests: knows one account, and is silent or down as a file says. Built with CONTROL, ACCOUNT and ID defined.
 * It takes the place of libnss_hesiod.so.2 in a mount namespace, since the C library looks for modules in its own directories only. */

#include <errno.h>
#include <fcntl.h>
#include <nss.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

enum { STEP_US = 50 * 1000 };

static char state_now(void)
{
	char state = '?';
	int fd = open(CONTROL, O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (read(fd, &state, 1) != 1)
			state = '?';
		close(fd);
	}
	return state;
}

/* `s`: silent for as long as it says so; `d`: the service behind it is down; else it answers. */
static enum nss_status answer(int is_known, struct passwd *row, int *error)
{
	while (state_now() == 's')
		usleep(STEP_US);
	*error = ENOENT;
	if (state_now() == 'd')
		return NSS_STATUS_UNAVAIL;
	if (!is_known)
		return NSS_STATUS_NOTFOUND;
	row->pw_name = (char *)ACCOUNT;
	row->pw_passwd = (char *)"x";
	row->pw_uid = row->pw_gid = ID;
	row->pw_gecos = (char *)"";
	row->pw_dir = (char *)"/home/" ACCOUNT;
	row->pw_shell = (char *)"/bin/sh";
	return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_hesiod_getpwuid_r(uid_t uid, struct passwd *row, char *buffer, size_t size, int *error)
{
	(void)buffer, (void)size;
	return answer(uid == ID, row, error);
}

enum nss_status _nss_hesiod_getpwnam_r(const char *name, struct passwd *row, char *buffer, size_t size, int *error)
{
	(void)buffer, (void)size;
	return answer(!strcmp(name, ACCOUNT), row, error);
}
