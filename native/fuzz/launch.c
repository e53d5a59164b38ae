/* `L`, the supervisor's order: it is refused in words, or init reads the same from what the shim writes down. */
#include "world.h"
#include "../launch.h"
#include "../payload.h"
#include "../specification.h"
#include "../util.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *argv[] = { (char *)"tare-wrap", (char *)"true", (char *)"@0", (char *)"", NULL };
static char *environment[] = { (char *)"A=1", (char *)"AB=2", (char *)"A=3", (char *)"EMPTY=", (char *)"no equals", NULL };

static bool same(char *const *one, char *const *other)
{
	while (*one && *other && !strcmp(*one, *other)) {
		one++;
		other++;
	}
	return !*one && !*other;
}

static void read_back(const struct launch *launch, const struct command *command, const struct caller *caller)
{
	struct payload payload = { 0 };
	char *none[] = { NULL };
	int memfd = specification_make(launch, command, caller);

	if (memfd < 0 || !payload_load(&payload, memfd))
		broken("init can read what was accepted");
	if (!same(payload.argv, command->argv.items) ||
	    !same(payload.environment, command->environment.items ? command->environment.items : none))
		broken("argv and environment come as they are");
	if (memcmp(payload.limits, command->limits, sizeof payload.limits))
		broken("limits come as they are");
	for (size_t i = 0; i < payload.view.swap_count; i++)
		if (!payload.view.swaps[i].destination)
			broken("a view has a destination");
	if (payload.prefixed && !payload.name)
		broken("lines that get a name have one");
	if (payload.no_new_privs != command->no_new_privs || (payload.name != NULL) != (command->name != NULL))
		broken("flags come as they are");
	payload_release(&payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct caller caller = { .argc = 4, .argv = argv, .environment = environment, .cwd = (char *)"/", .terminal = -1 };
	struct script script = { .at = data, .end = data + size };
	struct launch launch;

	while (script_next(&script)) {
		struct frame frame = script_frame(&script);
		char *wrong = launch_parse(&launch, &frame, &caller);
		if (!wrong)
			for (size_t i = 0; i < launch.command_count; i++)
				read_back(&launch, &launch.commands[i], &caller);
		else if (!*wrong)
			broken("what is refused is refused in words");
		launch_is_plain(&launch);
		launch_free(&launch);
		free(wrong);
		message_free(&script.frame);
	}
	return 0;
}
