/* A command that sees a repository which Tare has mounted. */
#pragma once

/* The role `tare-within` (README, Tools). */
int within_main(int argc, char **argv);
