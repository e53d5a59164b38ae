/* Tools of the supervisor's about overlays and what they leave (README, Tools). */
#pragma once

/* The roles `tare-trial`, `tare-opaque`, `tare-clear` and `tare-own`. Each returns an exit status. */
int trial_main(int argc, char **argv);
int opaque_main(const char *directory);
int clear_main(char **ids, char **directories);
int own_main(char **words);
