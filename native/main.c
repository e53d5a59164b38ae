/* Which of the three roles this process plays. */
#include "brain.h"
#include "front.h"
#include "init.h"

#include <string.h>

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* How enter names this program to the engine. No caller has a reason to use such a name. */
static bool is_init(int argc, char **argv)
{
	return argc == 3 && !strncmp(argv[0], "/proc/self/fd/", 14) && !strcmp(argv[1], "tare-init");
}

int main(int argc, char **argv, char **environment)
{
	static struct caller caller;
	static struct brain_file file;

	if (is_init(argc, argv))
		init_main(argv[2]);
	bool command_line = argc > 0 && !strcmp(last_component(argv[0]), "tare");
	if (command_line && (argc < 2 || strcmp(argv[1], "run"))) {
		caller.argc = argc;
		caller.argv = argv;
		caller.environment = environment;
		brain_locate(&file);
		brain_become(&file, &caller);
	}
	caller_capture(&caller, argc, argv, environment);
	brain_locate(&file);
	front_main(&caller, &file, command_line);
}
