/* Mounts a repository of CVMFS for one job, with a client of its own. */
#ifndef TARE_MOUNTER_H
#define TARE_MOUNTER_H

#include <stdbool.h>
#include <sys/types.h>

/* The role `tare-mounter` (README, Tools). */
int mounter_main(int argc, char **argv);

/* This process into the mounts of another, and into its user namespace where that is another one. False, with errno. */
bool mounts_join(pid_t pid);

#endif
