/* What a virtual machine mounts by itself, over the files that it has from the node. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Mounts the node's files, and what the orders (machine_options.h, inside) say, and makes that this process's root. False, with errno and
 * what failed. */
bool machine_mounts_make(char *orders, size_t size, const char **what);
