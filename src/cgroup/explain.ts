import {util} from '../builtin.js';
import {TareError} from '../errors.js';

/** A change of the cgroup tree that the kernel or the file system refused. */
export interface FailedChange {
  doing: 'make' | 'write' | 'enable' | 'use' | 'empty' | 'give away';
  directory: string;
  file?: string;
  value?: string;
  /** Controllers that the change is about. */
  controllers: readonly string[];
  error: unknown;
}

/** A refused change of a group, with what the kernel's errno means here and what to do. */
export function cgroupFailed(change: FailedChange): TareError {
  const {doing, directory, file, value, error} = change;
  const {code, errno} = error as NodeJS.ErrnoException;
  const text = errno === undefined ? String(error) : `${code}, ${util().getSystemErrorMap().get(errno)?.[1] ?? 'unknown error'}`;
  const what = {
    make: `cannot make the control group ${directory}`,
    write: `cannot write '${value}' to ${directory}/${file}`,
    enable: `cannot write '${value}' to ${directory}/${file}`,
    'give away': `cannot give the control group ${directory} to root of the small machine`,
    empty: `cannot move the processes of the control group ${directory} to a leaf below it`,
    use: `cannot use the control group ${directory}`,
  }[doing];
  return new TareError('CGROUP_FAILED', {message: what, found: text, remedy: remedy(change, code), cause: error});
}

function remedy({doing, directory, file, controllers}: FailedChange, code: string | undefined): string | undefined {
  const names = controllers.length === 0 ? 'the controller' : `controller ${controllers.join(', ')}`;
  switch (code) {
    case 'ENOENT':
      if (doing === 'make') return `the parent group does not exist: ${names} is not available under ${parent(directory)}`;
      return `${names} is not available under ${doing === 'enable' ? directory : parent(directory)}, or this kernel has no ${file}: look at cgroup.controllers and cgroup.subtree_control there`;
    case 'EACCES':
    case 'EPERM':
      return `the caller may not change ${directory}: the batch system must delegate it (systemd: Delegate=yes) or Tare must run as root`;
    case 'EROFS':
      return 'the cgroup file system is mounted read-only here, as in most containers: mount it writable, or let the policy do without';
    case 'EBUSY':
      if (doing === 'enable')
        return `${directory} holds processes itself, and a v2 group with processes cannot have controllers switched on for its children: move them to a leaf first`;
      return 'the group is in use: for a memory limit, more is in use already than could be reclaimed';
    case 'ENOSPC':
      return doing === 'make'
        ? 'the kernel has no more room for groups: remove groups named tare-* that no box uses any more'
        : 'no process can enter an empty cpuset: cpuset.cpus and cpuset.mems must be filled';
    case 'EINVAL':
      if (doing === 'enable') return `${names} is not known to this kernel`;
      return `the kernel does not take this value for ${file ?? names}; for memory.memsw.limit_in_bytes it must not be less than memory.limit_in_bytes`;
    case 'EEXIST':
      return 'a group of that name is there already and is not ours: remove it if no box uses it any more';
    case 'EAGAIN':
      return 'a limit on groups is reached: see cgroup.max.descendants and cgroup.max.depth of the groups above';
    default:
      return undefined;
  }
}

const parent = (directory: string): string => directory.slice(0, directory.lastIndexOf('/')) || '/';
