/* Signals for the payload: forwarded once it has executed, and kept until then. */
#pragma once

#include "box.h"

#include <stdbool.h>

/* Forwards the signal, or keeps it until the payload has executed. `noted`: it came to the shim. Then the supervisor is told when it is
 * forwarded (`noted`), and before a launch also that it is kept (`pending`), unless the payload would ignore or block it. */
void box_signal(struct box *box, int signo, bool noted);

/* Forwards what was kept. Called when the payload has executed. */
void box_forward_kept(struct box *box);

/* Sends the kept signals to this process, which is about to become the payload: they are blocked, and wait for the payload's mask. */
void box_raise_kept(const struct box *box);
