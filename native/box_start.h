/* The begin of a box. */
#pragma once

#include "box.h"

/* Parses the frame `launch`, opens what it names, and forks the box. On an error the supervisor is told `failed` and `gone`, and there is
 * no box. */
void box_launch(struct box *box, struct frame *frame);
