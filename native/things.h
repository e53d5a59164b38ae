/* A set of things that are named by two numbers: a file by its device and inode. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Empty when all is 0. No device is UINT64_MAX. */
struct things {
	struct thing {
		uint64_t device, number;
	} *items;
	size_t count, room;
};

/* False when it was there already. */
bool things_add(struct things *things, uint64_t device, uint64_t number);
bool things_have(const struct things *things, uint64_t device, uint64_t number);
