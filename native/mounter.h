/* Mounts a repository of CVMFS for one job, with a client of its own. */
#pragma once

/* The role `tare-mounter` (README, Tools). */
int mounter_main(int argc, char **argv);
