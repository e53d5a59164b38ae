/* Whether something keeps the clock of this node. */
#pragma once

/* The role `tare-clock` (README, Tools). */
int clock_main(void);
