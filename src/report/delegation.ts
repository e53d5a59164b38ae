/** What to change, and where, so that a box’s groups can be made: it depends on the system that made the caller's group, and on what is wrong with it. */

import type {CgroupFacts, Controller, ControllerFact, Layout} from '../host/facts.js';

interface Words {
  /** What the caller's group is. */
  name: string;
  /** How that system delegates the group to the job's user. */
  delegate: string;
  /** How it is given another controller. */
  handOn: (controller: Controller) => string;
}

const AS_ROOT = 'or start Tare as root';
const byUnit = (controller: Controller): string =>
  `let the units above hand ${controller} on (Delegate=yes, or Delegate=… with ${controller})`;

/** v2. Of Slurm: its cgroup/v2 plugin changes no owner; read in its source, not tried. */
const LAYOUTS: Readonly<Record<Layout, Words>> = {
  'htcondor-scope': {
    name: 'the scope of a job of HTCondor 24.8 or later',
    delegate: `HTCondor hands the slice around it to the job’s user when it runs as root: start condor_master as root, ${AS_ROOT}`,
    handOn: (controller) =>
      `nothing can be set: HTCondor hands on memory, pids, cpu and io where its own group has them, and ${controller} not`,
  },
  htcondor: {
    name: 'the group of a job of HTCondor before 24.8',
    delegate: `HTCondor 23.1 or later hands it to the job’s user when it runs as root: start condor_master as root, ${AS_ROOT}`,
    handOn: (controller) =>
      `nothing can be set: HTCondor hands on memory, pids, cpu and io where its own group has them, and ${controller} not`,
  },
  slurm: {
    name: 'a task of Slurm',
    delegate: `Slurm hands no group to users: a SPANK plugin can (slurm_spank_task_init_privileged: chown the task’s group, its cgroup.procs and cgroup.subtree_control); without, ConstrainRAMSpace=yes and ConstrainCores=yes in cgroup.conf let Slurm itself enforce`,
    handOn: (controller) => `Slurm enables what cgroup.conf constrains: see Constrain… there for ${controller}`,
  },
  'user-service': {
    name: 'a unit of a systemd user manager',
    delegate: 'start it by `systemd-run --user --scope -p Delegate=yes`',
    handOn: (controller) => `\`systemctl edit user@.service\`, [Service], Delegate=cpu cpuset io memory pids: it lacks ${controller}`,
  },
  session: {
    name: 'a login session',
    delegate: `start it by \`systemd-run --user --scope -p Delegate=yes\`, ${AS_ROOT}`,
    handOn: byUnit,
  },
  service: {
    name: 'a systemd service',
    delegate: `\`systemctl edit\` the unit, [Service], Delegate=yes beside its User=; or start it by \`systemd-run --uid=USER -p Delegate=yes\`, ${AS_ROOT}`,
    handOn: byUnit,
  },
  scope: {
    name: 'a systemd scope',
    delegate: `start it by \`systemd-run --scope --uid=USER -p Delegate=yes\`, ${AS_ROOT}`,
    handOn: byUnit,
  },
  namespace: {
    name: 'the top of a cgroup namespace, as in a container',
    delegate: 'start the container with its own writable cgroup (Docker: --cgroupns=private and a writable /sys/fs/cgroup)',
    handOn: (controller) => `start the container with ${controller}: the account that starts it must have the controller itself`,
  },
  root: {
    name: 'the root of the hierarchy',
    delegate: 'let the batch system put jobs into groups of their own, or start Tare as root',
    handOn: (controller) => `enable ${controller} in the kernel`,
  },
  other: {
    name: 'a group of a system that Tare does not know',
    delegate: `as root: chown USER DIR DIR/cgroup.procs DIR/cgroup.subtree_control, DIR being the job’s group, ${AS_ROOT}`,
    handOn: (controller) => `as root: write +${controller} to cgroup.subtree_control of every group above`,
  },
  none: {
    name: 'a group that cannot be seen',
    delegate: 'mount the hierarchy where the job sees it: /sys/fs/cgroup of its own cgroup namespace',
    handOn: (controller) => `enable ${controller} in the kernel and mount it`,
  },
};

/** The system that made the caller's group, in words. */
export const layoutName = ({layout}: CgroupFacts): string => LAYOUTS[layout].name;

/** One sentence for a controller without a place: what to change. */
export function remedyFor(cgroup: CgroupFacts, controller: Controller, fact: ControllerFact): string {
  const words = LAYOUTS[cgroup.layout];
  const {version, refused} = fact;
  if (refused.some(({because}) => because.includes('read-only'))) return LAYOUTS.namespace.delegate;
  if (version === 1) return 'start Tare as root, or let the batch system hand the job’s group of this hierarchy to the job’s user';
  // where the others are, this one could be too
  const {directory, because} = refused.find((each) => each.directory === placeOfOthers(cgroup)) ??
    telling(fact) ?? {directory: '', because: ''};
  if (because.includes('is not available here') || because.includes('memory cannot be had here')) return words.handOn(controller);
  if (because.includes('processes are in it'))
    return `${directory} can be used already, but others than the job are in it: give the job a group of its own`;
  if (because.includes('cgroup.max.')) return `raise cgroup.max.depth or cgroup.max.descendants of ${directory}`;
  if (because.includes('is of type')) return `give the job a group of type "domain" instead of ${directory}`;
  return words.delegate;
}

function placeOfOthers({controllers}: CgroupFacts): string | null {
  return Object.values(controllers).find(({version, parent}) => version === 2 && parent !== null)?.parent ?? null;
}

/** The first that is the caller's to write and lacks something else; where there is none, the nearest. */
function telling({refused}: ControllerFact): ControllerFact['refused'][number] | undefined {
  return (
    refused.find(({because}) => !because.startsWith('no permission') && !because.startsWith('a group here would escape')) ?? refused[0]
  );
}
