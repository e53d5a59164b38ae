/* What of the node's files a virtual machine has: one directory that holds all of it, which virtiofsd shares. What is read-only there the
 * node keeps so, whoever rules the machine. */
#pragma once

#include "machine_options.h"

/* Mounts it in a mount namespace of this process's own. False, with errno and what failed. */
bool machine_tree_make(const struct machine_options *options, const char **what);
