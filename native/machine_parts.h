/* The two programs of a virtual machine: virtiofsd, which gives it files, and qemu. Both end with this process, however it ends. */
#pragma once

#include "machine_options.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Descriptors by number, as the command lines have them (plugins/qemu/machine.ts). */
enum {
	MACHINE_FILES = 100, /* virtiofsd's listening socket; qemu's connection to it */
	MACHINE_PORT = 101, /* qemu's end of the port */
	MACHINE_KERNEL = 102,
	MACHINE_INITRAMFS = 103,
	MACHINE_CONSOLE = 104, /* where qemu writes what the machine's kernel says */
	MACHINE_ALIVE = 105, /* virtiofsd only keeps it open */
	MACHINE_KVM = 106, /* the device, which the job's account may not open */
};

struct machine_parts {
	int kernel, initramfs; /* files in memory */
	int port; /* this process's end */
	int alive; /* its end is seen when virtiofsd has ended */
	pid_t files, emulator;
};

/* Reads the kernel and makes the initramfs, of this program. False, with errno and what failed. */
bool machine_parts_load(struct machine_parts *parts, const struct machine_options *options, const char **what);
/* Starts both in the control groups, descriptors of their cgroup.procs or tasks. False, with errno and what failed. */
bool machine_parts_start(struct machine_parts *parts, const struct machine_options *options, const int *groups, size_t group_count,
			 const char **what);
/* Kills and reaps both. The raw status of qemu, which had ended by itself; -1: it had not, or never ran. */
int machine_parts_end(struct machine_parts *parts);
