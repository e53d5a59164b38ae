/** How large a virtual machine is. Pure. */

const MIB = 1024 * 1024;

/** What qemu and virtiofsd take beside the machine's memory: code that was translated (64 MiB at most), their own memory, page tables. */
export const OVERHEAD_BYTES = 192 * MIB;
/** With less a kernel of a distribution does not start. */
export const LEAST_BYTES = 128 * MIB;
/** Of a job without a limit on memory. */
const DEFAULT_BYTES = 1024 * MIB;

/**
 * Memory of the machine in MiB: with what runs beside it, it stays within the limit; null: there is none. Never more than the node has: for all that a machine
 * has its kernel makes tables, which take some 16 MiB for each GiB.
 * @param nodeBytes 0: it is not known
 */
export function memoryMib(limitBytes: number | null, nodeBytes: number): number {
  const most = nodeBytes === 0 ? Infinity : nodeBytes;
  const bytes = limitBytes === null ? DEFAULT_BYTES : Math.max(Math.min(limitBytes, most) - OVERHEAD_BYTES, LEAST_BYTES);
  return Math.floor(bytes / MIB);
}

/** Threads of qemu and virtiofsd beside those of virtual CPUs, which the node counts as processes: some eight, and with a burst more. */
const OWN_THREADS = 30;

/** PID_MAX_LIMIT of the kernel (include/linux/threads.h): pids.max takes no more. */
const PIDS_MOST = 4_194_304;
/** Of Tare in the machine, beside the payload's: init and the keeper. */
const OWN_PROCESSES = 2;

/** What pids.max of the machine's group is, for a limit on the payload's processes. */
export const processesOf = (limit: number): number => Math.min(limit + OWN_PROCESSES, PIDS_MOST);

/** So many have a number that every kernel takes (APIC IDs of 8 bits, of which one means all). */
export const MOST_CPUS = 255;

/** Virtual CPUs: whole ones, one where there is no limit. */
export const cpusOf = (cores: number | null): number => Math.max(1, Math.ceil(cores ?? 1));

/** The least limit on processes with which the machine itself can run. */
export const leastProcesses = (cores: number | null): number => OWN_THREADS + cpusOf(cores);

/** As people read it. */
export const inMib = (bytes: number): string => `${String(Math.ceil(bytes / MIB))} MiB`;
