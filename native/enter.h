#ifndef TARE_ENTER_H
#define TARE_ENTER_H

#include "launch.h"

/* In the child that the front forked: becomes the engine, which becomes the box. What fails is a `F` frame on
 * `control`. `errors` becomes the engine's descriptor 2. */
_Noreturn void enter_main(const struct launch *launch, int control, int errors);

#endif
