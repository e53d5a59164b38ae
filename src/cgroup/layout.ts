import {TareError} from '../errors.js';
import type {CgroupCreate, CgroupEnable, CgroupEvacuate, CgroupWrite, Plan} from '../schema/generated/plan-1.js';
import type {Part} from './groups.js';

/** Steps of a plan that change control groups. */
export type CgroupStep = CgroupEvacuate | CgroupEnable | CgroupCreate | CgroupWrite;

/** The box's groups in one hierarchy. */
export interface GroupTree {
  version: 1 | 2;
  controllers: ReadonlySet<string>;
  /** `…/tare-{id}` */
  box: string;
  /** Groups that are weighed. */
  parts: ReadonlyMap<Part, string>;
  /** The groups below the payload's or the applications' that their processes are in, so that they do not see the files of their limits. */
  jobs: ReadonlyMap<Part, string>;
}

/** What the groups of a box are, in terms of one host's hierarchies. */
export interface Layout {
  /** With the box's id in place. */
  steps: CgroupStep[];
  trees: GroupTree[];
  /** Groups whose processes move to a leaf. */
  evacuations: CgroupEvacuate[];
}

/** The leaf that holds the processes of a delegated group while it has boxes. */
const LEAF = 'tare-caller';

/** The place of a group below the box's. */
function shapeOf({group, application}: Pick<CgroupCreate, 'application'> & {group: CgroupCreate['group']}): string {
  switch (group) {
    case 'box':
      return '';
    case 'engine':
    case 'payload':
      return group;
    case 'application':
      return `payload/app-${application ?? ''}`;
    case 'job':
      return application === undefined ? 'payload/job' : `payload/app-${application}/job`;
  }
}

/** Whose processes are in a `job` group, and whose figures in one of the others. */
const partOf = ({group, application}: CgroupCreate): Part =>
  application !== undefined ? `app-${application}` : group === 'engine' ? 'engine' : 'payload';

/** The cgroup steps of a plan for one box. Refuses a directory that is not the box's. @throws TareError CGROUP_FAILED */
export function layout(steps: Plan['steps'], id: string): Layout {
  if (!/^[0-9a-f][0-9a-f-]*$/.test(id)) {
    throw new TareError('CGROUP_FAILED', {
      message: 'a control group cannot be named after this id',
      found: JSON.stringify(id),
      allowed: '0-9, a-f and -',
    });
  }
  const own = steps.filter(isCgroupStep).map((step) => ({...step, directory: step.directory.replaceAll('{id}', id)}));
  for (const step of own) check(step, id);
  return {steps: own, trees: treesOf(own), evacuations: own.filter((step) => step.op === 'cgroup.evacuate')};
}

function isCgroupStep(step: Plan['steps'][number]): step is CgroupStep {
  return step.op === 'cgroup.evacuate' || step.op === 'cgroup.enable' || step.op === 'cgroup.create' || step.op === 'cgroup.write';
}

function check(step: CgroupStep, id: string): void {
  const segments = step.directory.split('/');
  const plain = segments[0] === '' && segments.slice(1).every((segment) => segment !== '' && segment !== '.' && segment !== '..');
  const depth = segments.length - 1 - segments.indexOf(`tare-${id}`);
  const inside = segments.includes(`tare-${id}`);
  const shape =
    step.op === 'cgroup.enable' ||
    (step.op === 'cgroup.evacuate'
      ? !inside && step.into === `${step.directory}/${LEAF}`
      : inside && segments.slice(segments.length - depth).join('/') === shapeOf(step));
  const file = step.op !== 'cgroup.write' || /^[a-z0-9_]+(\.[A-Za-z0-9_]+)+$/.test(step.file);
  if (plain && shape && file) return;
  throw new TareError('CGROUP_FAILED', {
    message: `the step ${step.op} names a place outside the box's own groups`,
    found: step.op === 'cgroup.write' ? `${step.directory}/${step.file}` : step.directory,
    allowed: `…/tare-${id}, …/tare-${id}/engine, …/tare-${id}/payload and below`,
  });
}

function treesOf(steps: readonly CgroupStep[]): GroupTree[] {
  interface Growing extends GroupTree {
    controllers: Set<string>;
    parts: Map<Part, string>;
    jobs: Map<Part, string>;
  }
  const trees = new Map<string, Growing>();
  for (const step of steps) {
    if (step.op !== 'cgroup.create') continue;
    const box = step.group === 'box' ? step.directory : step.directory.slice(0, -(shapeOf(step).length + 1));
    const tree = trees.get(box) ?? {version: step.version, controllers: new Set<string>(), box, parts: new Map(), jobs: new Map()};
    trees.set(box, tree);
    // v1 calls it blkio.
    for (const controller of step.controllers) tree.controllers.add(controller === 'blkio' ? 'io' : controller);
    if (step.group === 'job') tree.jobs.set(partOf(step), step.directory);
    else if (step.group !== 'box') tree.parts.set(partOf(step), step.directory);
  }
  return [...trees.values()];
}
