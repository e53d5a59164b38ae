/* A command that sees a repository which Tare has mounted. */
#ifndef TARE_WITHIN_H
#define TARE_WITHIN_H

/* The role `tare-within` (README, Tools). */
int within_main(int argc, char **argv);

#endif
