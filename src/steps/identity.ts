/** Steps about the payload's account, its rights and its share of the node's processors. */

import {hostnameFault, fillHostname} from '../job/hostname.js';
import {IDENTITY} from '../plan/network.js';
import type {SomeSteps} from './def.js';
import {filesOfLayers} from './image.js';

/** Rows of the steps for a box's account, privileges and host name, and for what binds each of its processes. */
export const IDENTITY_STEPS = {
  // that it is the caller's to take is checked with the plan as a whole
  'identity.take': {by: ['init'], section: 'Box', rows: ({uid, gid}) => [['identity', `uid ${String(uid)} gid ${String(gid)}`]]},
  'identity.provide': {
    by: ['node'],
    section: 'Box',
    rows: ({files}) => [['files', files.join(' ')]],
    undo: (_, {place}) => [{op: 'own.remove', path: place(IDENTITY)}],
  },
  'accounts.provide': {
    by: ['engine'],
    section: 'Box',
    rows: ({account}) => [['account', `${account.name} (uid ${String(account.uid)})`]],
    check: ({image}, {plan}) => {
      const files = filesOfLayers(plan);
      if (files.includes(image)) return null;
      return {message: 'its accounts are not those of its image', found: image, allowed: files.join(', ') || 'no image'};
    },
  },
  'hostname.set': {
    by: ['engine'],
    section: 'Box',
    rows: ({hostname}) => [['host name', hostname]],
    check: ({hostname}, {facts}) => {
      const fault = hostnameFault(fillHostname(hostname, {n: '0', id: '0'}));
      return fault === null ? null : {message: `its host name ${fault}`, found: hostname, allowed: `a name on ${facts.node.hostname}`};
    },
    // its number, its addresses, and the devices and rules that go with these
    undo: (_, {plan}) => [{op: 'lease.release', state: plan.directories.state}],
  },
  'privileges.drop': {by: ['engine'], section: 'Box', rows: () => [['privileges', 'no_new_privs, no capabilities']]},
  'affinity.set': {
    by: ['init'],
    section: 'Box',
    rows: ({cpus}) => [['CPUs', cpus.join(',')]],
    check: ({cpus}, {facts}) => {
      const {allowed} = facts.cpu;
      if (cpus.every((cpu) => allowed.includes(cpu))) return null;
      return {message: 'its CPUs are not all here', found: cpus.join(','), allowed: allowed.join(',')};
    },
  },
  'nice.set': {
    by: ['init'],
    section: 'Box',
    rows: ({value}) => [['nice value', String(value)]],
    check: ({value}, {plan}) => {
      const limit = plan.limits.nice.value;
      if (value === limit) return null;
      return {message: 'its nice value is not that of its limits', found: String(value), allowed: String(limit)};
    },
  },
  'oom.adjust': {by: ['init'], section: 'Box', rows: ({value}) => [['oom_score_adj', String(value)]]},
  'rlimit.set': {by: ['init'], section: 'Box', rows: ({name, soft}) => [[`rlimit ${name}`, String(soft)]]},
  'seccomp.load': {by: ['init'], section: 'Box', rows: ({profile}) => [['system calls', profile]]},
} satisfies SomeSteps;
