/* A tool of the supervisor's: `tare-held INITS MILLISECONDS [watched DIRECTORY | locked DIRECTORY]…`.
 *
 * Memory that belongs to no mapping of a process, and so to none of its sizes in /proc: files of a tmpfs and of memfds,
 * segments and queues of System V, what waits in sockets and pipes, page tables. And space on disk that a walk does not find:
 * files that are deleted and open, and what lies in directories that are locked.
 *
 * Everything is looked at from outside, as the user whose the box is: of what that user owns /proc/PID/fd can be read
 * (proc_pid_fd(5)), and its namespaces can be entered (user_namespaces(7)). Nothing of the payload's is changed. */
#include "held_tool.h"
#include "descriptors.h"
#include "held.h"
#include "locked.h"
#include "look.h"
#include "spaces.h"
#include "util.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum {
	MOST_PROCESSES = 100000,
	LEAST_MAPPED = 1 << 20, /* less is not worth a walk through all mappings, during which a process cannot change them */
};

static const char *const WAY_NAMES[WAYS] = { "tmpfs", "memfd", "sysv", "sockets",
					     "pipes", "page-tables", "deleted-files", "locked-directories" };

/* Children of all threads of a process go to the end of the list. */
static void add_children(struct held *held, pid_t pid)
{
	char *tasks = xprintf("/proc/%d/task", pid);
	DIR *directory = opendir(tasks);
	const struct dirent *entry;
	int child;

	while (directory && (entry = readdir(directory))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		char *path = xprintf("%s/%s/children", tasks, entry->d_name);
		FILE *children = fopen(path, "re");
		free(path);
		while (children && fscanf(children, "%d", &child) == 1 && held->process_count < MOST_PROCESSES) {
			held->processes = xrealloc(held->processes, (held->process_count + 1) * sizeof(pid_t));
			held->processes[held->process_count++] = child;
		}
		if (children)
			fclose(children);
	}
	if (directory)
		closedir(directory);
	free(tasks);
}

/* File systems in memory that the node has mounted belong to no box. */
static void note_own_devices(struct held *held)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t room = 0;
	unsigned major_, minor_;

	while (mounts && getline(&line, &room, mounts) > 0)
		if (sscanf(line, "%*s %*s %u:%u", &major_, &minor_) == 2)
			things_add(&held->devices, makedev(major_, minor_), 0);
	free(line);
	if (mounts)
		fclose(mounts);
}

/* proc_pid_status(5): before Linux 4.15 VmPMD was apart. */
static void look_at_tables(struct held *held, pid_t pid)
{
	char *path = xprintf("/proc/%d/status", pid);
	FILE *status = fopen(path, "re");
	char line[256];
	long long kib;

	while (status && fgets(line, sizeof line, status))
		if (sscanf(line, "VmPTE: %lld", &kib) == 1 || sscanf(line, "VmPMD: %lld", &kib) == 1)
			held->tables += kib * 1024;
	if (status)
		fclose(status);
	free(path);
}

/* What of the files that were counted is mapped is in the proportional sizes of the processes that map it. */
static void look_at_mapped(struct held *held, pid_t pid)
{
	char *path = xprintf("/proc/%d/smaps", pid);
	FILE *maps = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	bool ours = false;
	unsigned major_, minor_;
	unsigned long long inode;
	long long kib;

	while (maps && getline(&line, &room, maps) > 0 && !look_is_late()) {
		if (sscanf(line, "%*x-%*x %*s %*x %x:%x %llu", &major_, &minor_, &inode) == 3) {
			uint64_t device = makedev(major_, minor_);
			ours = inode && (things_have(&held->files, device, inode) || things_have(&held->devices, device, 1));
		} else if (ours && sscanf(line, "Pss: %lld", &kib) == 1)
			held->mapped += kib * 1024;
	}
	free(line);
	if (maps)
		fclose(maps);
	free(path);
}

/* The file systems in which what is watched lies. Mounts of the box's that show it are found by their roots. */
static void note_watched(struct held *held)
{
	struct stat status;

	for (char *const *path = held->watched; *path; path++)
		if (stat(*path, &status) == 0) {
			things_add(&held->scratch, 0, status.st_dev);
			things_add(&held->scratch, status.st_dev, status.st_ino);
		}
}

/* CPU time in microseconds: on a busy node wall time does not show the cost of a look. */
static long long cpu_us(int whose)
{
	struct rusage usage;

	getrusage(whose, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000LL + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

/* Prints a line for each figure, and for each way that was not seen. */
static void print_held(const struct held *held)
{
	const struct {
		const char *name;
		long long value;
	} lines[] = { { "tmpfs", held->tmpfs }, { "memfd", held->memfd }, { "sysv", held->sysv + held->queues },
		      { "sockets", held->sockets_bytes }, { "pipes", held->pipes }, { "tables", held->tables },
		      { "mapped", held->mapped } };

	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		printf("%s\t%lld\n", lines[i].name, lines[i].value);
	for (enum way way = 0; way < WAYS; way++)
		if (held->unseen & 1U << way)
			printf("unseen\t%s\n", WAY_NAMES[way]);
	if (look_is_late())
		puts("unseen\tall");
	printf("cpu\t%lld\nend\n", cpu_us(RUSAGE_SELF) + cpu_us(RUSAGE_CHILDREN));
}

/* Words of one kind, NULL-terminated. */
static char *const *words_of(int argc, char **argv, const char *kind)
{
	char **words = xrealloc(NULL, ((size_t)argc + 1) * sizeof *words);
	size_t count = 0;

	for (int i = 4; i + 1 < argc; i += 2)
		if (!strcmp(argv[i], kind))
			words[count++] = argv[i + 1];
	words[count] = NULL;
	return words;
}

int held_main(int argc, char **argv)
{
	struct held held = { 0 };
	char *const *locked = words_of(argc, argv, "locked");
	long milliseconds, init = 0, first = 0;
	char *rest = NULL;

	if (argc < 4 || !parse_number(argv[3], 1, 60000, &milliseconds))
		return EXIT_WRAPPER;
	look_until(monotonic_us() + milliseconds * 1000LL);
	held.watched = words_of(argc, argv, "watched");
	spaces_note_own(&held);
	note_own_devices(&held);
	note_watched(&held);
	for (char *word = strtok_r(argv[2], ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		if (!parse_number(word, 1, 1L << 30, &init))
			return EXIT_WRAPPER;
		first = first ? first : init;
		spaces_add_of(&held, (pid_t)init);
		add_children(&held, (pid_t)init);
	}
	for (size_t i = 0; i < held.process_count; i++) {
		add_children(&held, held.processes[i]);
		spaces_add_of(&held, held.processes[i]);
		look_at_tables(&held, held.processes[i]);
	}
	/* Mounts first: which descriptors are deleted files of scratch depends on them. A descriptor can keep a namespace. */
	spaces_look(&held, OF_MOUNTS);
	for (size_t i = 0; i < held.process_count; i++)
		descriptors_look(&held, held.processes[i]);
	for (enum kind kind = 0; kind < KINDS; kind++)
		spaces_look(&held, kind);
	if (held.tmpfs + held.memfd + held.sysv > LEAST_MAPPED)
		for (size_t i = 0; i < held.process_count; i++)
			look_at_mapped(&held, held.processes[i]);
	if (locked[0]) {
		long long bytes = 0, files = 0;
		if (!locked_walk((pid_t)first, locked, &bytes, &files))
			held.unseen |= 1U << WAY_LOCKED;
		printf("locked\t%lld\nlockedFiles\t%lld\n", bytes, files);
	}
	print_held(&held);
	return fflush(stdout) ? EXIT_WRAPPER : 0;
}
