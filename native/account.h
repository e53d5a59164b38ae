/* The one way to files that a job has named. */
#pragma once

/* The role `tare-account` (README, Tools). */
int account_main(int argc, char **argv);
