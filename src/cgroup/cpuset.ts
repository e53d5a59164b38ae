import type {Read} from './keyed.js';

/** A v1 cpuset begins empty, and a process can enter it only when both files are filled (else ENOSPC). */
const V1_FILES = [
  {file: 'cpuset.cpus', effective: 'cpuset.effective_cpus'},
  {file: 'cpuset.mems', effective: 'cpuset.effective_mems'},
];

/** What a new v1 group needs before anything can join it: its parent's CPUs and memory nodes. v2 groups inherit. */
export function cpusetFill(parent: Read, own: Read): {file: string; value: string}[] {
  const writes: {file: string; value: string}[] = [];
  for (const {file, effective} of V1_FILES) {
    // cgroup.clone_children may have filled it already.
    if (own(file)?.trim() !== '') continue;
    const values = [parent(file), parent(effective)].map((text) => text?.trim() ?? '');
    writes.push({file, value: values.find((text) => text !== '') ?? ''});
  }
  return writes;
}
