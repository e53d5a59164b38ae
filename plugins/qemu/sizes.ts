/** How large a virtual machine is. Pure. */

const MIB = 1024 * 1024;

/** What qemu and virtiofsd take beside the machine's memory: code that was translated (64 MiB at most), their own memory, page tables. */
export const OVERHEAD_BYTES = 192 * MIB;
/** With less a kernel of a distribution does not start. */
export const LEAST_BYTES = 128 * MIB;
/** Of a job without a limit on memory. */
const DEFAULT_BYTES = 1024 * MIB;

/** Memory of the machine in MiB: with what runs beside it, it stays within the limit; null: there is none. */
export const memoryMib = (limitBytes: number | null): number =>
  Math.floor((limitBytes === null ? DEFAULT_BYTES : Math.max(limitBytes - OVERHEAD_BYTES, LEAST_BYTES)) / MIB);

/** Threads of qemu and virtiofsd beside those of virtual CPUs, which the node counts as processes: some eight, and with a burst more. */
const OWN_THREADS = 30;

/** Virtual CPUs: whole ones, one where there is no limit. */
export const cpusOf = (cores: number | null): number => Math.max(1, Math.ceil(cores ?? 1));

/** The least limit on processes with which the machine itself can run. */
export const leastProcesses = (cores: number | null): number => OWN_THREADS + cpusOf(cores);

/** As people read it. */
export const inMib = (bytes: number): string => `${String(Math.ceil(bytes / MIB))} MiB`;
