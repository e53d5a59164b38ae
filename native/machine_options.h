/* What the engine's command line says of a virtual machine: `tare-machine OPTION WORDS… -- VIRTIOFSD WORDS… -- QEMU WORDS…`. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { MACHINE_WORDS = 3 };

/* An option, or an order of a boot letter. */
struct machine_order {
	const char *name;
	char *words[MACHINE_WORDS]; /* as many as the option has */
};

struct machine_options {
	struct machine_order *orders;
	size_t order_count;
	char **files, **emulator; /* argv of virtiofsd and of qemu */
};

/* Words of an option of the node's side, or (`inside`) of an order to the machine; -1: there is no such one. */
int machine_order_words(const char *name, bool inside);
/* Reads the command line, which it changes. False: it is none. */
bool machine_options_read(struct machine_options *options, int argc, char **argv);
/* The first order of that name; NULL: there is none. */
const struct machine_order *machine_option(const struct machine_options *options, const char *name);
