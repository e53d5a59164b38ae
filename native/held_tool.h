/* What a box holds that no resident set shows, for the supervisor. */
#ifndef TARE_HELD_TOOL_H
#define TARE_HELD_TOOL_H

/* The role `tare-held` (README, Tools). Returns an exit status. */
int held_main(int argc, char **argv);

#endif
