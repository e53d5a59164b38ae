/* Which of the three roles this process plays. */
#include "account.h"
#include "bridge.h"
#include "supervisor.h"
#include "clock.h"
#include "shim.h"
#include "glance.h"
#include "held_tool.h"
#include "init.h"
#include "input.h"
#include "join.h"
#include "landlock.h"
#include "machine.h"
#include "machine_system.h"
#include "mounter.h"
#include "repository.h"
#include "starter.h"
#include "trial.h"
#include "util.h"
#include "within.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* How this program is named where it is no caller's. No caller has a reason to use such a name. */
static bool is_role(int argc, char **argv, const char *role)
{
	return argc >= 3 && !strncmp(argv[0], "/proc/self/fd/", 14) && !strcmp(argv[1], role);
}

/* `caller`: whose batch system is told, NULL for the command line. */
static void locate(struct supervisor_file *file, const struct caller *caller)
{
	char *wrong = supervisor_locate(file);

	if (wrong && caller)
		starter_tell(caller, wrong);
	if (wrong)
		die("%s", wrong);
}

/* What a site reaches for when all else is broken works without the supervisor, but for root: whose the payload is, the supervisor
 * knows. */
static void kill_switch(const struct caller *caller)
{
	char **argv = caller->argv + 1;

	if (geteuid() == 0 || access("/etc/tare/off", F_OK))
		return;
	starter_forget(caller);
	if (strchr(argv[0], '/'))
		execve(argv[0], argv, caller->environment);
	else
		execvp(argv[0], argv);
	int error = errno;
	char *line = xprintf("tare: %s: %s\n", argv[0], strerror(error));
	write_all(2, line, strlen(line));
	_exit(EXIT_NOT_EXECUTED);
}

/* The commands of the command line that run something on the caller's behalf. */
static bool has_shim(int argc, char **argv)
{
	return argc > 1 && (!strcmp(argv[1], "run") || !strcmp(argv[1], "exec") || !strcmp(argv[1], "hold"));
}

int main(int argc, char **argv, char **environment)
{
	static struct caller caller;
	static struct supervisor_file file;
	static struct input input;

	if (argc == 3 && is_role(argc, argv, "tare-init"))
		init_main(argv[2]);
	if (is_role(argc, argv, "tare-machine"))
		machine_main(argc, argv);
	if (getpid() == 1 && argc == 2 && !strcmp(argv[0], "/tare") && !strcmp(argv[1], "tare-system"))
		machine_system_main();
	if (argc == 3 && is_role(argc, argv, "tare-opaque"))
		return opaque_main(argv[2]);
	if (argc > 6 && is_role(argc, argv, "tare-clear"))
		return clear_main(argv + 2, argv + 6);
	if (argc > 8 && is_role(argc, argv, "tare-own"))
		return own_main(argv + 2);
	if (is_role(argc, argv, "tare-trial"))
		return trial_main(argc, argv);
	if (argc == 3 && is_role(argc, argv, "tare-clock"))
		return clock_main();
	if (argc == 3 && is_role(argc, argv, "tare-landlock"))
		return landlock_main();
	if (is_role(argc, argv, "tare-join"))
		join_main(argc, argv);
	if (is_role(argc, argv, "tare-bridge"))
		bridge_main(argc, argv);
	if (is_role(argc, argv, "tare-repository"))
		return repository_main(argc, argv);
	if (is_role(argc, argv, "tare-mounter"))
		return mounter_main(argc, argv);
	if (is_role(argc, argv, "tare-within"))
		return within_main(argc, argv);
	if (is_role(argc, argv, "tare-account"))
		return account_main(argc, argv);
	if (is_role(argc, argv, "tare-held"))
		return held_main(argc, argv);
	/* By the path that was executed: argv[0] is the caller's to choose, and HTCondor's cron chooses a name of its own. */
	const char *executed = (const char *)getauxval(AT_EXECFN);
	const char *name = last_component(executed ? executed : argc > 0 ? argv[0] : "");
	/* the copy that the bridge makes (bridge.c), as a daemon executes it */
	if (argc > 3 && !strcmp(name, "init") && !strcmp(argv[1], "tare-connect"))
		connect_main(argv[2], argv[3], argv + 4);
	bool command_line = !strcmp(name, "tare");
	caller.argc = argc;
	caller.argv = argv;
	caller.environment = environment;
	if (command_line && glance_asked(argc, argv) && glance_unchanged())
		return 0;
	if (command_line && !has_shim(argc, argv)) {
		locate(&file, NULL);
		supervisor_become(&file, &caller);
	}
	if (!command_line && argc > 1)
		kill_switch(&caller);
	if (command_line && !strcmp(argv[1], "run"))
		input_take(&input, argc, argv);
	caller_capture(&caller, argc, argv, environment);
	caller.input = input_file(&input);
	locate(&file, command_line ? NULL : &caller);
	shim_main(&caller, &file, command_line);
}
