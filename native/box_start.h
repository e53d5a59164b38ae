/* The begin of a box. */
#ifndef TARE_BOX_START_H
#define TARE_BOX_START_H

#include "box.h"

/* `L`: parses the frame, opens what it names, and forks the box. On an error the brain is told `F` and `B`, and there is no box. */
void box_launch(struct box *box, struct frame *frame);

#endif
