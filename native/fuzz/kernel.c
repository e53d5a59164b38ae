/* Files that the kernel, a client of CVMFS, another program of Tare or a caller wrote. The first byte selects the parser of the rest. */
#include "world.h"
#include "../patience.c"
#include "../reap.c"
#include "../repository_answer.h"
#include "../repository_look.c"
#include "../view.h"
#include "../view_cover.c"

/* Nothing that can be read twice: a backslash is written as an escape too. */
static void paths(char *text)
{
	char *copy = xmemdup(text, strlen(text) + 1);
	const char *backslash = strchr(text, '\\');
	size_t size = strlen(text);

	mountinfo_unescape(text);
	if (strlen(text) > size || (!backslash && strcmp(text, copy)))
		broken("a path without escapes is the path");
	free(copy);
}

static void table(void)
{
	char type[64];

	if (mounted_at(-1, "/mnt/a b", type, sizeof type) && strlen(type) >= sizeof type)
		broken("the type of a file system has an end");
	remount_each("/mnt");
}

static void answers(void)
{
	static struct repository_answer answer;

	answer.size = 0;
	if (world_file >= 0 && answer_recall(world_file, 1L << 50, &answer) && answer.size > sizeof answer.text)
		broken("an answer fits");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view view = { 0 };
	bool runs = false;
	long ticks = 0;

	if (!size)
		return 0;
	char *text = text_of(data + 1, size - 1);
	world_file_is(data + 1, size - 1);
	switch (*data) {
	case 'p':
		paths(text);
		break;
	case 'm':
		table();
		break;
	case 'o':
		mount_flags(text);
		break;
	case 'a':
		answers();
		break;
	case 's':
		parent_of("1");
		add_process("1", 1, &runs, &ticks);
		break;
	case 'v':
		view_add(&view, true, text);
		view_add(&view, false, "x");
		free(view_wrong(&view));
		view_free(&view);
		break;
	default:
		break;
	}
	free(text);
	return 0;
}
