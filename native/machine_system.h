/* Process 1 of a virtual machine: mounts what it is told to, starts init in the box's root, and relays between init and the node. */
#pragma once

/* The kernel has executed this program from the initramfs that machine_parts.c makes. */
_Noreturn void machine_system_main(void);
