/** What a small machine has on its file system, beside what every box has: a /run, accounts, and what its services say. */

import type {ImagePlan} from './image.js';
import type {Inputs} from './inputs.js';
import {sizeInMemory, type PlannedLimits} from './limits.js';
import type {IdMaps} from './machine-ids.js';
import {RUN} from './run.js';
import {bind, type Step} from './step.js';
import {SERVICE_LOGS} from './system.js';

/** A small machine: its init mounts and writes where a payload alone does not. */
export interface MountedSystem {
  ownNetwork: boolean;
  /** null: each id is itself in it. */
  maps: IdMaps | null;
}

/** The directory for the accounts of a small machine. */
export const ACCOUNTS = '{box}/accounts';

/** Whose the directories are that root of the box is to own. */
export const rootOwner = ({maps}: MountedSystem): 'caller' | 'root' => (maps === null ? 'caller' : 'root');

/** Its directories on the node; @param own where only the box reaches */
export function planSystemDirectories(own: string, system: MountedSystem): Step[] {
  const make = (path: string, mode: string, because: string): Step => {
    const owner = path === SERVICE_LOGS.place ? rootOwner(system) : 'caller';
    return {op: 'directory.create', path, mode, owner, because};
  };
  return [
    make(own, '0700', 'services have users of their own, and no account of the node may reach what they write'),
    make(SERVICE_LOGS.place, '0755', 'what services say'),
    make(ACCOUNTS, '0755', 'accounts of the image, and the payload’s user'),
  ];
}

/** Its /run, and the accounts that its services find. */
export function planSystemMounts({job, call}: Inputs, limits: PlannedLimits, image: ImagePlan | null): Step[] {
  // a file system in a file is not mounted yet when the accounts are read
  const mounted = image?.mounts.find((step) => step.op === 'mount.squashfs');
  const source = mounted?.op === 'mount.squashfs' ? mounted.source : (image?.lower ?? '/');
  const {uid, gid, name, home} = call.identity.value;
  const account = {name: name ?? `u${String(uid)}`, uid, gid, home: home ?? job.workDirectory.value};
  return [
    {
      op: 'mount.tmpfs',
      destination: RUN,
      mode: '0755',
      sizeBytes: sizeInMemory(limits),
      because: 'the state of services; its pages are the box’s memory',
    },
    bind(SERVICE_LOGS.place, SERVICE_LOGS.inBox, ['rw'], 'what services say, for the record'),
    {op: 'accounts.provide', image: source, account, because: 'services find their accounts, and the payload its user'},
    bind(`${ACCOUNTS}/passwd`, '/etc/passwd', ['rw'], 'accounts of the image, and the payload’s user'),
    bind(`${ACCOUNTS}/group`, '/etc/group', ['rw'], 'groups of the image, and the payload’s'),
  ];
}
