/* The payload of the tests: prints, in one canonical text on the file named by argv[1], everything that exec hands
 * over. Run bare and through Tare, the two texts must be the same. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void print_bytes(FILE *out, const char *text)
{
	for (; *text; text++)
		fprintf(out, *text > ' ' && *text < 127 ? "%c" : "\\%02x", (unsigned char)*text);
	fputc('\n', out);
}

static void print_descriptors(FILE *out, int own)
{
	for (int fd = 0; fd < 1024; fd++) {
		char path[64], target[512];
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		ssize_t length = readlink(path, target, sizeof target - 1);
		if (length < 0 || fd == own)
			continue;
		target[length] = 0;
		fprintf(out, "fd %d %s flags %d offset %ld\n", fd, target, fcntl(fd, F_GETFL),
			(long)lseek(fd, 0, SEEK_CUR));
	}
}

static void print_signals(FILE *out)
{
	char line[256];
	FILE *status = fopen("/proc/self/status", "r");

	while (status && fgets(line, sizeof line, status))
		if (!strncmp(line, "SigBlk", 6) || !strncmp(line, "SigIgn", 6) || !strncmp(line, "SigCgt", 6))
			fputs(line, out);
	if (status)
		fclose(status);
}

int main(int argc, char **argv, char **environment)
{
	char cwd[4096];
	int fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int high = fcntl(fd, F_DUPFD_CLOEXEC, 1000);

	if (high < 0) /* a low limit */
		high = fd;
	else
		close(fd);
	FILE *out = fdopen(high, "w");
	if (!out)
		return 99;
	for (int i = 0; i < argc; i++)
		if (i != 1)
			print_bytes(out, argv[i]);
	for (; *environment; environment++)
		print_bytes(out, *environment);
	fprintf(out, "cwd %s\n", getcwd(cwd, sizeof cwd) ? cwd : "none");
	mode_t mask = umask(0);
	fprintf(out, "umask %o nice %d\n", (unsigned)mask, getpriority(PRIO_PROCESS, 0));
	for (int i = 0; i < (int)RLIM_NLIMITS; i++) {
		struct rlimit limit;
		getrlimit(i, &limit);
		fprintf(out, "limit %d %lu %lu\n", i, (unsigned long)limit.rlim_cur, (unsigned long)limit.rlim_max);
	}
	print_signals(out);
	print_descriptors(out, high);
	fclose(out);
	return 0;
}
