/** Control groups: the box's own, below a group that the node lets the caller make some in. */

import type {Facts} from '../host/facts.js';
import {stepsOf} from '../plan/step.js';
import type {Misfit, SomeSteps} from './def.js';

/** Groups of the node below which a box's can be made, with the version of their hierarchy. */
const parentsOn = ({cgroup}: Facts): Map<string | null, 1 | 2> =>
  new Map<string | null, 1 | 2>([
    ...Object.values(cgroup.controllers).map(({parent, version}) => [parent, version] as const),
    ...cgroup.others.map(({parent}) => [parent, 1] as const),
  ]);

const noGroups = (directory: string, parents: ReturnType<typeof parentsOn>): Misfit => ({
  message: 'its control groups cannot be made there',
  found: directory,
  allowed: [...parents.keys()].filter((known) => known !== null).join(', ') || 'none',
});

/** Rows of the steps that make control groups. */
export const CGROUP_STEPS = {
  'cgroup.evacuate': {
    by: ['node'],
    section: 'Control groups',
    rows: ({directory, into}) => [['evacuate', directory, into]],
    check: ({directory, into}, {facts}) => {
      const {toEmpty} = facts.cgroup;
      if (toEmpty?.directory === directory && toEmpty.into === into) return null;
      return {
        message: 'it moves processes out of a group where that is not needed',
        found: directory,
        allowed: toEmpty?.directory ?? 'none',
      };
    },
    undo: ({directory, into}) => [{op: 'group.restore', directory, into}],
  },
  'cgroup.enable': {
    by: ['node'],
    section: 'Control groups',
    rows: ({directory, controllers}) => [['enable', directory, controllers.join(' ')]],
    check: ({directory}, {plan, facts}) => {
      // of several applications the payload's too, in which each has its own
      const own = plan.applications === null ? /\/tare-\{id\}$/ : /\/tare-\{id\}(?:\/payload)?$/;
      const parents = parentsOn(facts);
      const parent = directory.replace(own, '');
      if (parents.has(parent)) return null;
      const isParent = stepsOf(plan, 'cgroup.create').some((group) => group.directory.startsWith(`${parent}/tare-{id}`));
      return isParent
        ? noGroups(directory, parents)
        : {message: 'it changes a group that is not its own', found: directory, allowed: 'its own groups and their parent'};
    },
  },
  'cgroup.create': {
    by: ['node'],
    section: 'Control groups',
    rows: ({directory, controllers}) => [['create', directory, controllers.join(' ')]],
    check: ({directory, version}, {facts}) => {
      const parents = parentsOn(facts);
      const parent = directory.slice(0, directory.indexOf('/tare-{id}'));
      if (directory.includes('/tare-{id}') && parents.get(parent) === version) return null;
      return noGroups(directory, parents);
    },
    // all below it goes with it
    undo: ({directory, version}, {id}) =>
      directory.endsWith('/tare-{id}') ? [{op: 'group.remove', version, directory: directory.replaceAll('{id}', id)}] : [],
  },
  'cgroup.write': {
    by: ['node'],
    section: 'Control groups',
    rows: ({directory, file, value}) => [['write', `${directory}/${file}`, value]],
    check: ({directory, file}, {plan}) => {
      const isOwnGroup = stepsOf(plan, 'cgroup.create').some((group) => group.directory === directory);
      if (isOwnGroup && !file.includes('/')) return null;
      return {message: 'it writes outside its own groups', found: `${directory}/${file}`, allowed: 'groups below tare-{id}'};
    },
  },
} satisfies SomeSteps;
