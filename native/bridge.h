/* Between the shim and a box that a daemon builds, whose processes are no descendants of the shim's. */
#pragma once

/* The role `tare-bridge` (README, Tools): outside, in place of an engine. */
_Noreturn void bridge_main(int argc, char **argv);

/* The role `tare-connect`: process 1 of the box, until it is init. `descriptors` as init_main() wants them; `arrangements` as arrange() does,
 * with NULL behind them, or none. */
_Noreturn void connect_main(const char *socket_path, const char *descriptors, char **arrangements);
