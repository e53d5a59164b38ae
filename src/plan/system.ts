/** A small machine (vm-lite): its init and services, and the payload among them. What all share is planned as for several applications. */

import {TareError} from '../errors.js';
import {OWN_NAMES} from '../job/services.js';
import type {Service} from '../job/job.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {INITS, bootScript, type ImageInit} from './inits.js';
import type {Inputs} from './inputs.js';
import type {StepOf} from './step.js';

type Execute = StepOf<'application.execute'>;
type SystemPart = NonNullable<Execute['system']>;

/** The directories of the services' output, in the box and in its folder. */
export const SERVICE_LOGS = {place: '{box}/services', inBox: '/run/tare/services'} as const;

/** What services find, and nothing of the caller's. */
const SERVICE_ENVIRONMENT = [
  {name: 'HOME', value: '/root'},
  {name: 'LANG', value: 'C.UTF-8'},
  {name: 'PATH', value: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'},
  {name: 'container', value: 'oci'}, // systemd's container interface
];

const part = (role: SystemPart['role'], as: SystemPart['as']): SystemPart => ({
  role,
  as,
  first: false,
  ownGroups: false,
  guestOf: null,
  stopSignal: null,
  stopWithinUs: null,
});

/** What is started before the payload, in this order. */
export function planServices(inputs: Inputs): Execute[] {
  const {job} = inputs;
  const init = job.init?.value ?? 'tare';
  return init === 'tare' ? job.services.map((service, index) => ownService(inputs, service, index)) : imageServices(inputs, init);
}

function serviceStep(name: string, index: number, argv: string[], because: string, system: SystemPart): Execute {
  return {
    op: 'application.execute',
    index,
    name,
    argv,
    workDirectory: '/',
    environment: SERVICE_ENVIRONMENT,
    stdin: 'none',
    output: {out: `${SERVICE_LOGS.inBox}/${name}.log`, err: `${SERVICE_LOGS.inBox}/${name}.log`},
    limits: {cores: null, memory: null},
    needs: [],
    ready: {when: 'started'},
    restart: null,
    system,
    because,
  };
}

const SIGTERM = 15;

function ownService({policy}: Inputs, {name, at, command, user, ready, restart}: Service, index: number): Execute {
  const system = {...part('service', user), stopSignal: SIGTERM, stopWithinUs: policy.servicesWithinUs.value};
  return {...serviceStep(name, index, command ?? [], at, system), ready, restart};
}

/** The image's init, and the program that waits until it has booted and starts the job's services. */
function imageServices({job, policy, facts}: Inputs, kind: ImageInit): Execute[] {
  const init = INITS[kind];
  const path = facts.system?.init ?? init.paths[0] ?? '';
  const at = job.init?.provenance.at ?? '';
  const first = serviceStep(OWN_NAMES.init, 0, init.argv(path), at, {
    ...part('service', 'root'),
    first: true,
    ownGroups: init.groups,
    stopSignal: init.stopSignal,
    stopWithinUs: policy.servicesWithinUs.value,
  });
  const names = job.services.map(({name}) => name);
  const boot = serviceStep(
    OWN_NAMES.boot,
    1,
    ['/bin/sh', '-c', bootScript(init), 'boot', ...names],
    `${names.length === 0 ? kind : names.join(', ')} ready before the payload (${policy.servicesWithinUs.provenance.at})`,
    {...part('boot', 'root'), guestOf: 0},
  );
  return [first, {...boot, needs: [0], ready: {when: 'completed', withinUs: policy.servicesWithinUs.value}}];
}

/** What a payload is in a small machine. */
export function payloadPart({job}: Inputs): SystemPart {
  const init = job.init?.value ?? 'tare';
  return {...part('payload', 'job'), guestOf: init === 'tare' ? null : 0};
}

/** A job's only command, as one of several. */
export function payloadStep(inputs: Inputs, index: number): Execute {
  const {job} = inputs;
  return {
    ...serviceStep(OWN_NAMES.payload, index, job.command, job.workDirectory.provenance.at, payloadPart(inputs)),
    workDirectory: job.workDirectory.value,
    environment: [],
    stdin: 'caller',
    output: 'caller',
    ready: {when: 'completed'},
  };
}

/** @throws TareError INIT_UNAVAILABLE: what the image's init needs and this node has not */
export function checkInit({job, facts, call}: Inputs): void {
  const init = job.init?.value ?? 'tare';
  if (init === 'tare' || !INITS[init].groups) return;
  const at = facts.cgroup.controllers.memory ?? facts.cgroup.controllers.pids;
  if (at?.version === 2 && at.parent !== null) return;
  throw new TareError('INIT_UNAVAILABLE', {
    message: `${init} needs control groups of version 2 of its own`,
    where: job.init?.provenance.at,
    found:
      at === undefined ? facts.cgroup.how : at.version === 2 ? (at.refused[0]?.because ?? facts.cgroup.how) : 'control groups of version 1',
    remedy: `\`tare doctor\` tells how ${call.identity.value.name ?? 'the user'} gets them; other inits and the wrapper’s own do without`,
  });
}

/** What people are shown of a small machine's fate. */
export const systemFate = (payload: number): NonNullable<Plan['applications']> => ({
  primary: payload,
  onFailure: 'stop-all',
  onOom: 'stop-all',
  because: 'the job ends with its payload, and the services after it',
});

/** Paths that reveal or change the node, as containers/common and moby list them. */
export const PROTECTED = {
  masked: [
    '/proc/acpi',
    '/proc/asound',
    '/proc/kcore',
    '/proc/keys',
    '/proc/latency_stats',
    '/proc/sched_debug',
    '/proc/scsi',
    '/proc/timer_list',
    '/proc/timer_stats',
    '/sys/dev/block',
    '/sys/devices/virtual/powercap',
    '/sys/firmware',
    '/sys/fs/selinux',
  ],
  readOnly: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
};
