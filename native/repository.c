/* Looks at one repository of CVMFS: whether it is there, answers in time, and what its client says of itself. A child looks;
 * this process only waits for it, so that one that hangs in the kernel costs itself and nobody else. Whoever asks meanwhile
 * waits for the same answer, which is kept in a file for a while. */
#include "repository.h"
#include "identity.h"
#include "namespaces.h"
#include "mountinfo.h"
#include "util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

enum {
	ANSWER_MAX = 16 * 1024,
	VALUE_MAX = 1024,
	LOG_MAX = 32 * 1024, /* the client keeps 10 lines */
	WRITABLE_BY_OTHERS = 022,
};

#define FORMAT "tare-repository/1"

/* As its client names them; of other file systems all are absent. */
static const char *const attributes[] = { "fqrn", "revision", "root_hash", "version", "nioerr", "hitrate", "host", "proxy", "rx", "ndownload" };

struct question {
	const char *file, *root, *name;
	long age_us, deadline_us, mounter;
	struct identity identity;
};

struct answer {
	char text[ANSWER_MAX];
	size_t size;
};

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

static long long clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
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

static _Noreturn void give_up(int out)
{
	say(out, "errno", "%d", errno);
	say(out, "error", "%s", strerror(errno));
	_exit(0);
}

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

/* All that can hang. What it does next it says before, so that whoever waits in vain knows for what. */
static _Noreturn void look(const struct question *question, int out)
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
	/* with all that an automounter does for whoever wants a directory */
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

static void keep(struct answer *answer, const char *text, size_t size)
{
	size_t room = sizeof answer->text - answer->size;

	if (size > room)
		size = room;
	memcpy(answer->text + answer->size, text, size);
	answer->size += size;
}

static void keep_line(struct answer *answer, const char *key, long long value)
{
	char *line = xprintf("%s\t%lld\n", key, value);

	keep(answer, line, strlen(line));
	free(line);
}

/* All that the child says until it ends, or until it is too late. */
static void listen_to(int in, long long end_us, struct answer *answer)
{
	for (;;) {
		char text[4096];
		long long left_us = end_us - monotonic_us();
		struct pollfd ready = { .fd = in, .events = POLLIN };
		int found = left_us > 0 ? poll(&ready, 1, (int)(left_us / 1000) + 1) : 0;
		if (found < 0 && errno == EINTR)
			continue;
		ssize_t size = found > 0 ? read(in, text, sizeof text) : 0;
		if (found <= 0) {
			keep(answer, "late\tyes\n", 9);
			return;
		}
		if (size <= 0)
			return;
		keep(answer, text, (size_t)size);
	}
}

static void ask(const struct question *question, int lock, long long end_us, struct answer *answer)
{
	long long started_us = monotonic_us();
	int link[2];

	keep_line(answer, "epoch", clock_us(CLOCK_REALTIME));
	if (pipe2(link, O_CLOEXEC))
		die("pipe: %s", strerror(errno));
	pid_t pid = fork();
	if (pid == 0) {
		if (lock >= 0)
			close(lock);
		close(link[0]);
		/* whoever reads what this process says is not to wait for the child */
		close(1);
		/* a pipe to nobody ends this process: nobody wants to know any more */
		look(question, link[1]);
	}
	close(link[1]);
	if (pid > 0)
		listen_to(link[0], end_us, answer);
	close(link[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, WNOHANG);
	}
	keep_line(answer, "us", monotonic_us() - started_us);
}

/* A file of ours alone, or -1: then nobody is told what we find. */
static int open_own(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	struct stat status;

	if (fd < 0)
		return -1;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() && status.st_nlink == 1 &&
	    !(status.st_mode & WRITABLE_BY_OTHERS))
		return fd;
	close(fd);
	return -1;
}

static void no_more(int signo)
{
	(void)signo;
}

/* False when whoever has it keeps it until then. A second alarm, should the first come too early. */
static bool lock_until(int fd, long long end_us)
{
	struct sigaction action = { .sa_handler = no_more };
	bool locked = false;

	sigaction(SIGALRM, &action, NULL);
	for (long long left_us; !locked && (left_us = end_us - monotonic_us()) > 0;) {
		struct itimerval timer = { .it_value = { left_us / 1000000, left_us % 1000000 }, .it_interval = { 0, 50000 } };
		setitimer(ITIMER_REAL, &timer, NULL);
		locked = flock(fd, LOCK_EX) == 0;
		if (!locked && errno != EINTR)
			break;
	}
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	return locked;
}

static char *boot_id(void)
{
	static char id[64];
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? 0 : read(fd, id, sizeof id - 1);

	if (fd >= 0)
		close(fd);
	id[size > 0 ? size : 0] = 0;
	id[strcspn(id, "\n")] = 0;
	return id;
}

/* What the file says, if it is whole, of this boot, and not older than wanted. */
static bool recall(const struct question *question, int fd, struct answer *answer)
{
	char text[ANSWER_MAX + 256], boot[64];
	ssize_t size = pread(fd, text, sizeof text - 1, 0);
	long long then_us, age_us;
	int begin = 0;

	if (size <= 0)
		return false;
	text[size] = 0;
	if (sscanf(text, FORMAT " %63s %lld\n%n", boot, &then_us, &begin) != 2 || begin == 0 || strcmp(boot, boot_id()))
		return false;
	age_us = clock_us(CLOCK_BOOTTIME) - then_us;
	if (age_us < 0 || age_us > question->age_us || size < begin + 4 || strcmp(text + size - 4, "end\n"))
		return false;
	keep(answer, text + begin, (size_t)(size - begin - 4));
	keep(answer, "shared\tyes\n", 11);
	return true;
}

static void remember(int fd, long long began_us, const struct answer *answer)
{
	char *head = xprintf(FORMAT " %s %lld\n", boot_id(), began_us);

	/* what is not whole is not believed */
	if (ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0 && write_all(fd, head, strlen(head)) &&
	    write_all(fd, answer->text, answer->size))
		write_all(fd, "end\n", 4);
	free(head);
}

static bool parse_identity(char *text, struct identity *identity)
{
	static gid_t groups[1024];
	unsigned uid, gid;
	int used = 0;

	*identity = (struct identity){ 0 };
	if (!strcmp(text, "-"))
		return true;
	if (sscanf(text, "%u %u %n", &uid, &gid, &used) != 2 || !used)
		return false;
	identity->wanted = true;
	identity->uid = uid;
	identity->gid = gid;
	identity->groups = groups;
	for (char *rest = text + used, *one; (one = strsep(&rest, ","));) {
		long group;
		if (!*one)
			continue;
		if (identity->group_count == 1024 || !parse_number(one, 0, 0xfffffffeL, &group))
			return false;
		groups[identity->group_count++] = (gid_t)group;
	}
	return true;
}

/* `tare-repository FILE AGE DEADLINE IDENTITY ROOT NAME [MOUNTER]`, times in µs, FILE may be empty, IDENTITY `-`; MOUNTER: a
 * process in whose mounts the repository is. */
int repository_main(int argc, char **argv)
{
	static struct question question;
	static struct answer answer;

	if (argc < 8 || argc > 9 || (argc == 9 && !parse_number(argv[8], 1, 1L << 30, &question.mounter)) || !parse_number(argv[3], 0, 1L << 50, &question.age_us) ||
	    !parse_number(argv[4], 1, 1L << 50, &question.deadline_us) || !parse_identity(argv[5], &question.identity))
		return EXIT_WRAPPER;
	question.file = argv[2];
	question.root = argv[6];
	question.name = argv[7];
	long long end_us = monotonic_us() + question.deadline_us;
	int file = *question.file ? open_own(question.file) : -1;
	if (file >= 0 && !lock_until(file, end_us)) {
		keep_line(&answer, "epoch", clock_us(CLOCK_REALTIME));
		keep(&answer, "step\tother\nlate\tyes\n", 20);
		keep_line(&answer, "us", question.deadline_us);
	} else if (file < 0 || !recall(&question, file, &answer)) {
		long long began_us = clock_us(CLOCK_BOOTTIME);
		ask(&question, file, end_us, &answer);
		if (file >= 0)
			remember(file, began_us, &answer);
	}
	/* also for a child that still has it */
	if (file >= 0)
		flock(file, LOCK_UN);
	return write_all(1, answer.text, answer.size) ? 0 : EXIT_WRAPPER;
}
