/** Whether the kernel agrees: a group is made in each parent, its controllers asked for, and it is removed again. */

import {mkdirSync, readFileSync, rmdirSync, writeFileSync} from 'node:fs';
import {evacuate, restore} from '../../../src/cgroup/evacuate.js';
import type {Controller, ControllerFact, Facts} from '../../../src/host/facts.js';

export function tryParents({cgroup}: Facts): Controller[] {
  if (cgroup.toEmpty === null) return tryEach(cgroup);
  const {directory, into, because} = cgroup.toEmpty;
  const step = {op: 'cgroup.evacuate', directory, into, because} as const;
  evacuate(step);
  try {
    return tryEach(cgroup);
  } finally {
    restore(step);
  }
}

function tryEach(cgroup: Facts['cgroup']): Controller[] {
  const made: Controller[] = [];
  for (const [name, {version, parent}] of Object.entries(cgroup.controllers) as [Controller, ControllerFact][]) {
    if (parent === null) continue;
    const group = `${parent}/tare-test-host-${String(process.pid)}`;
    if (version === 2 && cgroup.toEnable.length > 0)
      writeFileSync(`${parent}/cgroup.subtree_control`, cgroup.toEnable.map((each) => `+${each}`).join(' '));
    mkdirSync(group);
    try {
      if (version === 1 || readFileSync(`${group}/cgroup.controllers`, 'utf8').split(/\s+/).includes(name)) made.push(name);
    } finally {
      rmdirSync(group);
    }
  }
  return made;
}
