/* See specification.h. A string for each key (payload.c): a letter, what belongs to it, a NUL. */
#include "specification.h"
#include "generated/protocol.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void write_key(FILE *file, char key, const char *text)
{
	fputc(key, file);
	fwrite(text, 1, strlen(text) + 1, file);
}

/* Writes a key with its text; nothing for NULL. */
static void write_if(FILE *file, char key, const char *text)
{
	if (text)
		write_key(file, key, text);
}

static void write_flag(FILE *file, char key, bool flag)
{
	if (flag)
		write_key(file, key, "");
}

static void write_list(FILE *file, char key, const struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		write_key(file, key, list->items[i]);
}

/* Writes what the payload inherits from the caller, with the command's changes. */
static void write_inheritance(FILE *file, const struct launch *launch, const struct command *command, const struct caller *caller)
{
	/* The engine has changed the directory. Without one it is still the caller's, path or no path. */
	const char *directory = command->directory ? command->directory : launch->engine.count ? caller->cwd : "";

	for (int i = 0; i < (int)RLIM_NLIMITS; i++)
		fprintf(file, "%c%d %llu %llu%c", SPECIFICATION_LIMIT, i, (unsigned long long)command->limits[i].rlim_cur,
			(unsigned long long)command->limits[i].rlim_max, 0);
	fprintf(file, "%c%llx%c", SPECIFICATION_BLOCKED_SIGNALS, (unsigned long long)caller->mask, 0);
	fprintf(file, "%c%llx%c", SPECIFICATION_IGNORED_SIGNALS, (unsigned long long)caller->ignored, 0);
	fprintf(file, "%c%o%c", SPECIFICATION_UMASK, (unsigned)caller->umask, 0);
	if (*directory)
		write_key(file, SPECIFICATION_WORK_DIRECTORY, directory);
}

/* Writes all keys of one command. */
static void write_specification(FILE *file, const struct launch *launch, const struct command *command,
				const struct caller *caller)
{
	write_list(file, SPECIFICATION_ARGUMENT, &command->argv);
	write_list(file, SPECIFICATION_VARIABLE, &command->environment);
	write_inheritance(file, launch, command, caller);
	write_if(file, SPECIFICATION_OOM_SCORE, launch->oom_score_adj);
	write_if(file, SPECIFICATION_NICE, launch->nice);
	write_if(file, SPECIFICATION_LANDLOCK, launch->rights);
	write_list(file, SPECIFICATION_WRITABLE, &launch->writable);
	write_if(file, SPECIFICATION_SCOPED, launch->scopes);
	write_flag(file, SPECIFICATION_NO_NEW_PRIVILEGES, command->no_new_privs);
	write_if(file, SPECIFICATION_FILTER, command->filter);
	write_flag(file, SPECIFICATION_HOLD, command->holds);
	for (size_t i = 0; i < command->guest.count; i++)
		write_key(file, command->guest.items[i][0], command->guest.items[i] + 1);
	write_flag(file, SPECIFICATION_SERVICE, command->service);
	write_list(file, SPECIFICATION_SWAP, &command->swaps);
	write_list(file, SPECIFICATION_KEPT, &command->kept);
	write_if(file, SPECIFICATION_HIDDEN, command->hidden);
	write_if(file, SPECIFICATION_PAUSE, launch->pause);
	write_flag(file, SPECIFICATION_TERMINAL, caller_at_terminal(caller, 0) && (!command->name || command->input));
	write_if(file, SPECIFICATION_APPLICATION, command->name);
	write_flag(file, SPECIFICATION_INPUT, command->input);
	write_flag(file, SPECIFICATION_PREFIX_OUTPUT, command->prefixed);
	write_if(file, SPECIFICATION_OUTPUT_FILE, command->files[1]);
	write_if(file, SPECIFICATION_ERROR_FILE, command->files[2]);
}

int specification_make(const struct launch *launch, const struct command *command, const struct caller *caller)
{
	int fd = above_standard(memory_file("tare-payload", false));
	FILE *file = fd < 0 ? NULL : fdopen(dup(fd), "w");

	if (!file) {
		close_kept(fd);
		return -1;
	}
	write_specification(file, launch, command, caller);
	bool failed = ferror(file);
	if (fclose(file) || failed) {
		int error = errno ? errno : EIO;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}
