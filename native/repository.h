/* A look at a repository of CVMFS, for the supervisor, which never touches one itself. */
#pragma once

/* The role `tare-repository` (README, Tools). */
int repository_main(int argc, char **argv);
