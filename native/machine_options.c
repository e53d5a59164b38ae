/* See machine_options.h. */
#include "machine_options.h"
#include "util.h"

#include <string.h>

/* The node's side: where it mounts, the kernel, the device of KVM, whose qemu is, ids of a user namespace for virtiofsd (uid_map, gid_map), the root, what is bound
 * below it, what else is shared. Inside: in the order in which it is mounted there. */
static const struct known {
	const char *name;
	bool inside;
	int words;
} KNOWN[] = {
	{ "folder", false, 1 }, { "kernel", false, 1 }, { "kvm", false, 1 },  { "account", false, 2 },
	{ "ids", false, 2 },	{ "root", false, 1 },	{ "bind", false, 3 }, { "share", false, 2 },
	{ "hostname", true, 1 }, { "proc", true, 2 },	{ "sys", true, 1 },   { "dev", true, 1 },
	{ "device", true, 1 },	{ "tmpfs", true, 3 },	{ "place", true, 3 }, { "readonly", true, 1 },
	{ "processes", true, 1 },
};

static const struct known *known_as(const char *name)
{
	for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
		if (!strcmp(KNOWN[i].name, name))
			return &KNOWN[i];
	return NULL;
}

int machine_order_words(const char *name, bool inside)
{
	const struct known *known = known_as(name);

	return known && known->inside == inside ? known->words : -1;
}

/* Ends the list of words before `--`; what follows it, NULL: it is not there. */
static char **after_dashes(char **words)
{
	for (; *words; words++)
		if (!strcmp(*words, "--")) {
			*words = NULL;
			return words + 1;
		}
	return NULL;
}

bool machine_options_read(struct machine_options *options, int argc, char **argv)
{
	char **words = argv + 2;

	memset(options, 0, sizeof *options);
	options->files = argc > 2 ? after_dashes(words) : NULL;
	options->emulator = options->files ? after_dashes(options->files) : NULL;
	if (!options->emulator || !*options->files || !*options->emulator)
		return false;
	options->orders = xrealloc(NULL, (size_t)argc * sizeof *options->orders);
	while (*words) {
		const struct known *known = known_as(*words);
		struct machine_order *order = &options->orders[options->order_count++];
		if (!known)
			return false;
		order->name = *words++;
		for (int i = 0; i < known->words; i++)
			if (!(order->words[i] = *words++))
				return false;
	}
	return machine_option(options, "folder") && machine_option(options, "kernel") && machine_option(options, "root");
}

const struct machine_order *machine_option(const struct machine_options *options, const char *name)
{
	for (size_t i = 0; i < options->order_count; i++)
		if (!strcmp(options->orders[i].name, name))
			return &options->orders[i];
	return NULL;
}
