/* What comes from a box: init's frames, and the engine's complaints. */
#pragma once

#include "box.h"

/* Reads init's socket once and takes all whole frames. Closes it at its end and at a frame that it cannot take: an init that still lives
 * then kills everything and ends. The engine ends by itself, and may write to its stderr before. */
void box_read(struct box *box);

/* Reads what the engine has written to its descriptor 2. Keeps the first ENGINE_ERRORS bytes and drops the rest, so that the engine never
 * blocks on writing. */
void box_read_errors(struct box *box);
