/* See repository_look.h. */
#include "repository_look.h"
#include "mountinfo.h"
#include "namespaces.h"
#include "util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

enum {
	VALUE_MAX = 1024,
	LOG_MAX = 32 * 1024, /* the client keeps 10 lines */
};

/* Extended attributes of the client; other file systems have none of them. */
static const char *const attributes[] = { "fqrn",    "revision", "root_hash", "version", "nioerr",
					  "hitrate", "host",	 "proxy",     "rx",	 "ndownload" };

/* One line: a key, a tab, a value in which nothing ends a line. */
static void say(int fd, const char *key, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void say(int fd, const char *key, const char *format, ...)
{
	char value[VALUE_MAX], line[VALUE_MAX + 64];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(value, sizeof value, format, arguments);
	va_end(arguments);
	for (char *c = value; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = ' ';
	int size = snprintf(line, sizeof line, "%s\t%s\n", key, value);
	if (size > 0)
		write_all(fd, line, (size_t)size);
}

/* Type of the file system that is mounted at the path: of several the last, which hides the others. False: none is. */
static bool mounted_at(int proc, const char *path, char *type, size_t size)
{
	int fd = openat(proc, "self/mountinfo", O_RDONLY | O_CLOEXEC);
	FILE *table = fd < 0 ? NULL : fdopen(fd, "r");
	char *line = NULL, point[4096], kind[64];
	size_t room = 0;
	bool found = false;

	while (table && getline(&line, &room, table) > 0) {
		const char *dash = strstr(line, " - ");
		if (!dash || sscanf(line, "%*s %*s %*s %*s %4095s", point) != 1 || sscanf(dash, " - %63s", kind) != 1)
			continue;
		mountinfo_unescape(point);
		if (strcmp(point, path))
			continue;
		snprintf(type, size, "%s", kind);
		found = true;
	}
	free(line);
	if (table)
		fclose(table);
	return found;
}

/* Says what errno says, and ends the look. */
static _Noreturn void give_up(int out)
{
	say(out, "errno", "%d", errno);
	say(out, "error", "%s", strerror(errno));
	_exit(0);
}

/* Prints the attributes that the client has. */
static void tell_attributes(int out, int directory)
{
	for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
		char name[64], value[VALUE_MAX];
		snprintf(name, sizeof name, "user.%s", attributes[i]);
		ssize_t size = fgetxattr(directory, name, value, sizeof value - 1);
		if (size >= 0) {
			value[size] = 0;
			say(out, name, "%s", value);
		} else if (errno != ENODATA && errno != EOPNOTSUPP && errno != ERANGE) {
			give_up(out);
		}
	}
}

/* The last place of the word in the text; NULL: none. */
static const char *last_of(const char *text, const char *word)
{
	const char *last = NULL;

	for (const char *found = text; (found = strstr(found, word)); found++)
		last = found;
	return last;
}

/* The client says in its log alone that it cannot reach its servers, or can again (fuse_remount.cc). */
static void tell_offline(int out, int directory)
{
	static char text[LOG_MAX];
	ssize_t size = fgetxattr(directory, "user.logbuffer", text, sizeof text - 1);

	if (size < 0)
		return;
	text[size] = 0;
	const char *entered = last_of(text, "entering offline mode"), *left = last_of(text, "recovered from offline mode");
	if (entered || left)
		say(out, "offline", "%s", entered && (!left || entered > left) ? "yes" : "no");
}

/* Whether the directory has an entry. Ends the look on an error. */
static bool has_entry(int out, int directory)
{
	DIR *stream = fdopendir(dup(directory));
	bool found = false;

	if (!stream)
		give_up(out);
	errno = 0;
	for (const struct dirent *entry; !found && (entry = readdir(stream));)
		found = strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	if (!found && errno)
		give_up(out);
	closedir(stream);
	return found;
}

_Noreturn void repository_look(const struct repository_question *question, int out)
{
	char *path = xprintf("%s/%s", question->root, question->name), type[64];
	const char *what = NULL;
	struct stat status;
	struct statvfs system;
	/* of this process's PID namespace, whatever it joins */
	int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (question->mounter) {
		say(out, "step", "join");
		if (!mounts_join((pid_t)question->mounter))
			give_up(out);
	}
	say(out, "step", "identity");
	if (!identity_take(&question->identity, &what))
		give_up(out);
	/* a change of identity would undo it */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	say(out, "step", "root");
	say(out, "root", "%s", lstat(question->root, &status) == 0 && S_ISDIR(status.st_mode) ? "yes" : "no");
	say(out, "automount", "%s", mounted_at(proc, question->root, type, sizeof type) && !strcmp(type, "autofs") ? "yes" : "no");
	say(out, "before", "%s", mounted_at(proc, path, type, sizeof type) ? type : "");
	say(out, "step", "open");
	/* makes an automounter mount it, as any access to the directory does */
	int place = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (place < 0)
		give_up(out);
	say(out, "mounted", "%s", mounted_at(proc, path, type, sizeof type) ? type : "");
	say(out, "step", "statfs");
	if (fstatvfs(place, &system))
		give_up(out);
	say(out, "step", "list");
	int directory = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		give_up(out);
	say(out, "entries", "%s", has_entry(out, directory) ? "yes" : "no");
	say(out, "step", "attributes");
	tell_attributes(out, directory);
	tell_offline(out, directory);
	say(out, "done", "yes");
	_exit(0);
}
