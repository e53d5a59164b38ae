/* Into the namespaces of a live box. */
#pragma once

/* The role `tare-join` (README, Tools). */
_Noreturn void join_main(int argc, char **argv);
