/* What waits in sockets of a network namespace, as sock_diag(7) tells. In a child (look.h), which reports it. */
#pragma once

#include "held.h"

#include <stdbool.h>

/* `shared`: in the node's own namespace, where only sockets count that a process of the box has a descriptor of. */
void buffers_look(const struct held *held, bool shared);
