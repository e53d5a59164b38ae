/* `tare-machine …`: an engine whose box is a virtual machine (qemu). It stands for init towards the shim: takes what the shim prepares,
 * starts virtiofsd and qemu in the payload's control groups, and relays between the shim and the init in the machine (machine_system.c). */
#pragma once

/* Init's socket is descriptor 3, this program is 4. The rest of argv: machine_options.h. */
_Noreturn void machine_main(int argc, char **argv);
