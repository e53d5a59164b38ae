/* What init of a box is given before the payload. */
#pragma once

#include "box.h"

/* Sends init all that it needs, then `begin`. Called when init is there: it reads as we write, so few descriptors are in flight at a
 * time. */
void box_prepare(struct box *box);
