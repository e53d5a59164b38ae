/* A look at a repository of CVMFS, for the supervisor, which never touches one itself. */
#ifndef TARE_REPOSITORY_H
#define TARE_REPOSITORY_H

/* The role `tare-repository` (README, Tools). */
int repository_main(int argc, char **argv);

#endif
