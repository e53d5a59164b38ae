/* What comes from a box: init's frames, and the engine's complaints. */
#ifndef TARE_BOX_WATCH_H
#define TARE_BOX_WATCH_H

#include "box.h"

/* There is something to read in init's socket. At its end, or when init is not to be understood, it is closed: an init that still lives then
 * kills everything and ends. The engine ends by itself, and may have something to say before. */
void box_read(struct box *box);

/* There is something to read from the engine's descriptor 2. Keeps the first ENGINE_ERRORS bytes and reads on, so that nobody blocks on
 * writing. */
void box_read_errors(struct box *box);

#endif
