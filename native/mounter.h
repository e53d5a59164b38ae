/* Mounts a repository of CVMFS for one job, with a client of its own. */
#ifndef TARE_MOUNTER_H
#define TARE_MOUNTER_H

/* The role `tare-mounter` (README, Tools). */
int mounter_main(int argc, char **argv);

#endif
