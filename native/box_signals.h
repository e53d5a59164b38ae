/* Signals for the payload: forwarded once it has executed, and kept until then. */
#ifndef TARE_BOX_SIGNALS_H
#define TARE_BOX_SIGNALS_H

#include "box.h"

#include <stdbool.h>

/* Forwards it, or keeps it. `noted`: it came to the front, and the brain is told that it was forwarded; or, where nothing is launched and the
 * payload would hear of it, that it is kept. */
void box_signal(struct box *box, int signo, bool noted);

/* The payload has executed: forwards what was kept. */
void box_forward_kept(struct box *box);

/* This process becomes the payload: signals that came already, and would have met it, are sent to this process once more. They are blocked,
 * and wait for the payload's mask. */
void box_raise_kept(const struct box *box);

#endif
