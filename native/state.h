/* What the front is made of. For those that see all of it: front.c (loop, signals, end), orders.c (what the brain says), succession.c
 * (which brain comes next). Each part knows only itself, and what is below it. */
#ifndef TARE_STATE_H
#define TARE_STATE_H

#include "box.h"
#include "ending.h"
#include "patience.h"
#include "talk.h"
#include "terminal.h"

struct front {
	int signals; /* signalfd */
	struct talk talk;
	struct patience patience;
	struct box box;
	struct terminal terminal;
	struct ending ending;
};

#endif
