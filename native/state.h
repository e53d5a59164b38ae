/* What the shim is made of. For those that see all of it: shim.c (loop, signals, end), orders.c (what the supervisor says), succession.c
 * (which supervisor comes next). Each part knows only itself, and what is below it. */
#pragma once

#include "box.h"
#include "ending.h"
#include "patience.h"
#include "supervisor_link.h"
#include "terminal.h"

struct shim {
	int signals; /* signalfd */
	struct supervisor_link link;
	struct patience patience;
	struct box box;
	struct terminal terminal;
	struct ending ending;
};
