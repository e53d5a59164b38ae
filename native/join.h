/* Into the namespaces of a live box. */
#ifndef TARE_JOIN_H
#define TARE_JOIN_H

/* The role `tare-join` (README, Tools). */
_Noreturn void join_main(int argc, char **argv);

#endif
