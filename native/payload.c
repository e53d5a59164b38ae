/* See payload.h. What specification_make() wrote: a string for each key, a letter and what belongs to it. */
#include "payload.h"
#include "generated/protocol.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads the whole file and adds a NUL. The caller frees it. NULL, with errno. */
static char *read_all(int fd, size_t *size)
{
	struct stat status;
	size_t got = 0;

	if (fstat(fd, &status))
		return NULL;
	char *text = xrealloc(NULL, (size_t)status.st_size + 1);
	while (got < (size_t)status.st_size) {
		ssize_t n = pread(fd, text + got, (size_t)status.st_size - got, (off_t)got);
		if (n <= 0) {
			free(text);
			return NULL;
		}
		got += (size_t)n;
	}
	text[got] = 0;
	*size = got;
	return text;
}

/* Source and destination in turn. */
static void add_swap(struct own_view *view, const char *path)
{
	struct view_swap *last = view->swap_count ? &view->swaps[view->swap_count - 1] : NULL;

	if (last && !last->destination) {
		last->destination = path;
		return;
	}
	view->swaps = xrealloc(view->swaps, (view->swap_count + 1) * sizeof *view->swaps);
	view->swaps[view->swap_count++] = (struct view_swap){ path, NULL };
}

/* The place for a key's text; NULL: the key has none. */
static const char **text_of_key(struct payload *payload, char key)
{
	switch (key) {
	case SPECIFICATION_WORK_DIRECTORY:
		return &payload->directory;
	case SPECIFICATION_FILTER:
		return &payload->filter;
	case SPECIFICATION_OOM_SCORE:
		return &payload->oom_score_adj;
	case SPECIFICATION_NICE:
		return &payload->nice;
	case SPECIFICATION_PAUSE:
		return &payload->pause;
	case SPECIFICATION_APPLICATION:
		return &payload->name;
	case SPECIFICATION_HIDDEN:
		return &payload->view.hidden;
	case SPECIFICATION_OUTPUT_FILE:
	case SPECIFICATION_ERROR_FILE:
		return &payload->files[key == SPECIFICATION_OUTPUT_FILE ? 1 : 2];
	default:
		return NULL;
	}
}

/* What a key without text sets; NULL: it is no such key. */
static bool *flag_of_key(struct payload *payload, char key)
{
	switch (key) {
	case SPECIFICATION_NO_NEW_PRIVILEGES:
		return &payload->no_new_privs;
	case SPECIFICATION_HOLD:
		return &payload->holds;
	case SPECIFICATION_TERMINAL:
		return &payload->terminal;
	case SPECIFICATION_INPUT:
		return &payload->input;
	case SPECIFICATION_SERVICE:
		return &payload->service;
	case SPECIFICATION_PREFIX_OUTPUT:
		return &payload->prefixed;
	default:
		return NULL;
	}
}

/* A number of RLIMIT_*, soft, hard. */
static void load_limit(struct payload *payload, const char *text)
{
	unsigned long long soft, hard;
	int which;

	if (sscanf(text, "%d %llu %llu", &which, &soft, &hard) == 3 && which >= 0 && which < (int)RLIM_NLIMITS)
		payload->limits[which] = (struct rlimit){ (rlim_t)soft, (rlim_t)hard };
}

/* Appends the text, which must stay. */
static void add_text(const char ***texts, size_t *count, const char *text)
{
	*texts = xrealloc(*texts, (*count + 1) * sizeof **texts);
	(*texts)[(*count)++] = text;
}

/* Loads one key; unknown keys are the guest's. `argument` and `variable` point to the next free places. */
static void load_key(struct payload *payload, char *string, char ***argument, char ***variable)
{
	const char **place = text_of_key(payload, string[0]);
	bool *flag = flag_of_key(payload, string[0]);
	char *text = string + 1;

	if (place)
		*place = text;
	if (flag)
		*flag = true;
	if (place || flag)
		return;
	switch (string[0]) {
	case SPECIFICATION_ARGUMENT:
		*(*argument)++ = text;
		break;
	case SPECIFICATION_VARIABLE:
		*(*variable)++ = text;
		break;
	case SPECIFICATION_LIMIT:
		load_limit(payload, text);
		break;
	case SPECIFICATION_BLOCKED_SIGNALS:
		payload->mask = strtoull(text, NULL, 16);
		break;
	case SPECIFICATION_IGNORED_SIGNALS:
		payload->ignored = strtoull(text, NULL, 16);
		break;
	case SPECIFICATION_UMASK:
		payload->umask = (mode_t)strtoul(text, NULL, 8);
		break;
	case SPECIFICATION_LANDLOCK:
		landlock_rights(text, &payload->wall.rights);
		break;
	case SPECIFICATION_SCOPED:
		landlock_rights(text, &payload->wall.scopes);
		break;
	case SPECIFICATION_WRITABLE:
		add_text(&payload->wall.places, &payload->wall.count, text);
		break;
	case SPECIFICATION_SWAP:
		add_swap(&payload->view, text);
		break;
	case SPECIFICATION_KEPT:
		add_text(&payload->view.kept, &payload->view.kept_count, text);
		break;
	default:
		guest_load(&payload->guest, string[0], text);
	}
}

/* What a key says of another, which has to be there. */
static bool has_parts(const struct payload *payload)
{
	const struct own_view *view = &payload->view;

	return (!payload->prefixed || payload->name) && (!view->swap_count || view->swaps[view->swap_count - 1].destination);
}

bool payload_load(struct payload *payload, int memfd)
{
	size_t size = 0, arguments = 0, variables = 0;

	payload->guest.host = payload->tty = -1;
	payload->text = read_all(memfd, &size);
	close(memfd);
	if (!payload->text)
		return false;
	char *end = payload->text + size;
	for (char *string = payload->text; string < end; string += strlen(string) + 1) {
		arguments += *string == SPECIFICATION_ARGUMENT;
		variables += *string == SPECIFICATION_VARIABLE;
	}
	payload->argv = xrealloc(NULL, (arguments + 1) * sizeof(char *));
	payload->environment = xrealloc(NULL, (variables + 1) * sizeof(char *));
	char **argument = payload->argv, **variable = payload->environment;
	for (char *string = payload->text; string < end; string += strlen(string) + 1)
		load_key(payload, string, &argument, &variable);
	*argument = *variable = NULL;
	if (!payload->name)
		guest_single(&payload->guest);
	errno = EINVAL;
	return arguments > 0 && has_parts(payload);
}

void payload_set_descriptor(struct payload *payload, int target, int fd)
{
	for (size_t i = 0; i < payload->descriptor_count; i++) {
		if (payload->descriptors[i].target != target)
			continue;
		close(payload->descriptors[i].fd);
		payload->descriptors[i].fd = fd;
		return;
	}
	payload->descriptors =
		xrealloc(payload->descriptors, (payload->descriptor_count + 1) * sizeof *payload->descriptors);
	payload->descriptors[payload->descriptor_count++] = (struct received){ fd, target };
}
