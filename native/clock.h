/* Whether something keeps the clock of this node. */
#ifndef TARE_CLOCK_H
#define TARE_CLOCK_H

/* The role `tare-clock` (README, Tools). */
int clock_main(void);

#endif
