/* Standard input of `tare run`: a job descriptor that comes there, and the file that the payload has instead. */
#pragma once

#include <stddef.h>

struct input {
	char *text; /* the descriptor, NULL: none came */
	size_t size;
};

/* Reads standard input to its end where the first word after `run` is `-`, and puts FILE of `--stdin FILE`, else /dev/null, in its place. FILE
 * is put there without a `-` too. To be called before the caller's descriptors are noted. Dies where that cannot be. */
void input_take(struct input *input, int argc, char **argv);

/* A file in memory with the descriptor, close-on-exec, which nobody can change; -1: none came. Dies where that cannot be. */
int input_file(struct input *input);
