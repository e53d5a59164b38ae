/* The one way to files that a job has named. */
#ifndef TARE_ACCOUNT_H
#define TARE_ACCOUNT_H

/* The role `tare-account` (README, Tools). */
int account_main(int argc, char **argv);

#endif
