/** What can keep a box's scratch to its size: a file system in a file, or in memory. */

import type {Ability, Facts} from './facts.js';
import type {ProcessStatus} from './status.js';
import type {Tree} from './tree.js';

const MAKERS = ['/usr/sbin/mkfs.ext4', '/sbin/mkfs.ext4'];

/** Finds what can hold a box's scratch to a size: a loop device with an ext4, or a tmpfs. */
export function readContainers(tree: Tree, status: ProcessStatus, namespaces: Facts['namespaces']): Facts['scratch']['containers'] {
  const program = MAKERS.find((path) => tree.program(path) !== null) ?? null;
  return {user: !status.sysAdmin, loop: loopAbility(tree, status, program), program, tmpfs: tmpfsAbility(status, namespaces)};
}

function loopAbility(tree: Tree, {sysAdmin}: ProcessStatus, program: string | null): Ability {
  if (!sysAdmin) return no('only root can use loop devices', null);
  if (program === null) return no(`none of ${MAKERS.join(', ')} is there`, 'install e2fsprogs');
  if (!tree.exists('/dev/loop-control')) return no('/dev/loop-control is not there', 'load the module: `modprobe loop`');
  return {available: true, how: `CAP_SYS_ADMIN, ${program}, /dev/loop-control`, remedy: null};
}

function tmpfsAbility({sysAdmin}: ProcessStatus, {user, mount}: Facts['namespaces']): Ability {
  if (!mount.available) return no(`no mount namespace (${mount.how})`, mount.remedy);
  if (!sysAdmin && !user.available) return no(`no user namespace (${user.how})`, user.remedy);
  if (!sysAdmin && user.only?.includes('tare') === false)
    return no(
      `no user namespace for Tare itself (${user.how})`,
      'install an AppArmor profile /etc/apparmor.d/tare with the rule "userns,"',
    );
  return {available: true, how: sysAdmin ? 'CAP_SYS_ADMIN' : `in a user namespace: ${user.how}`, remedy: null};
}

const no = (how: string, remedy: string | null): Ability => ({available: false, how, remedy});
