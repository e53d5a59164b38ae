/* What a box holds that no resident set shows, for the supervisor. */
#pragma once

/* The role `tare-held` (README, Tools). Returns an exit status. */
int held_main(int argc, char **argv);
