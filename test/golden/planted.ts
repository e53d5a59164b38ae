/** Changes of a plan that its golden file must show. Each returns the changed plan, or null when it does not apply to the plan. */

import type {LimitName} from '../../src/job/job.js';
import type {Step, StepOf} from '../../src/plan/step.js';
import type {Plan, PlannedLimit} from '../../src/schema/generated/plan-1.js';

export type Change = (plan: Plan) => Plan | null;

/** Changes the first step of a kind to which the change applies. */
function inStep<Op extends Step['op']>(op: Op, change: (step: StepOf<Op>) => Partial<StepOf<Op>> | null): Change {
  return (plan) => {
    for (const [index, step] of plan.steps.entries()) {
      const changed = isOf(step, op) ? change(step) : null;
      if (changed !== null) return {...plan, steps: plan.steps.with(index, {...step, ...changed})};
    }
    return null;
  };
}

const isOf = <Op extends Step['op']>(step: Step, op: Op): step is StepOf<Op> => step.op === op;

/** Replaces the first step of a kind, and the next one too if the new steps include it. */
function instead(op: Step['op'], change: (step: Step, next: Step | undefined) => Step[]): Change {
  return (plan) => {
    const index = plan.steps.findIndex((step) => step.op === op);
    const step = plan.steps[index];
    if (step === undefined) return null;
    const next = plan.steps[index + 1];
    const made = change(step, next);
    return {...plan, steps: plan.steps.toSpliced(index, next !== undefined && made.includes(next) ? 2 : 1, ...made)};
  };
}

const missing = (op: Step['op']): Change => instead(op, () => []);

/** @param wanted whether the change applies to a limit that is set or to one that is not */
const inLimit =
  (name: LimitName, wanted: 'limited' | 'unlimited', change: (limit: PlannedLimit) => Partial<PlannedLimit>): Change =>
  (plan) => {
    const limit = plan.limits[name];
    if ((limit.value === null) !== (wanted === 'unlimited')) return null;
    return {...plan, limits: {...plan.limits, [name]: {...limit, ...change(limit)}}};
  };

const inPart =
  <Name extends keyof Plan>(name: Name, change: (part: NonNullable<Plan[Name]>) => Plan[Name] | null): Change =>
  (plan) => {
    const part = plan[name];
    const changed = part == null ? null : change(part);
    return changed === null ? null : {...plan, [name]: changed};
  };

const plusOne = (value: number | null): number => (value ?? 0) + 1;

export const PLANTED: Readonly<Record<string, Change>> = {
  // limits
  'a limit off by one': inLimit('memory', 'limited', ({value}) => ({value: plusOne(value)})),
  'a limit less': inLimit('wallTime', 'limited', () => ({value: null})),
  'a limit where there was none': inLimit('cpuTime', 'unlimited', () => ({value: 1})),
  'another value that was asked for': inLimit('cores', 'limited', ({asked}) => ({asked: plusOne(asked)})),
  'a limit that is said to be less than asked for': inLimit('memory', 'limited', ({clamped}) => ({clamped: !clamped})),
  'a limit enforced by something else': inLimit('processes', 'limited', () => ({by: 'RLIMIT_NPROC?'})),
  'a limit that is watched, and not the kernel’s': inLimit('memory', 'limited', ({enforcement}) => ({
    enforcement: enforcement === 'kernel' ? 'watched' : 'kernel',
  })),
  'a limit from elsewhere': inLimit('memory', 'limited', ({provenance}) => ({provenance: {...provenance, at: 'elsewhere'}})),
  'an unset limit of another source': inLimit('scratch', 'unlimited', ({provenance}) => ({provenance: {...provenance, source: 'policy'}})),
  'a shorter grace': inPart('grace', (grace) => ({...grace, us: grace.us - 1})),

  // control groups
  'a value of a group off by one': inStep('cgroup.write', ({file, value}) =>
    file === 'memory.max' ? {value: String(Number(value) + 1)} : null,
  ),
  'another file of a group': inStep('cgroup.write', ({file}) => (file === 'memory.max' ? {file: 'memory.high'} : null)),
  'a group elsewhere': inStep('cgroup.create', ({directory}) => ({directory: `${directory}/x`})),
  'a group of the other version': inStep('cgroup.create', ({version}) => ({version: version === 1 ? 2 : 1})),
  'a controller less': inStep('cgroup.enable', ({controllers}) => ({controllers: controllers.slice(1)})),
  'a group of another account': inStep('cgroup.create', ({owner}) =>
    owner === undefined ? null : {owner: {...owner, uid: owner.uid + 1}},
  ),
  'a group that is not emptied': missing('cgroup.evacuate'),

  // accounts and rights
  'another account': inStep('identity.take', ({uid}) => ({uid: uid + 1})),
  'a group more of the account': inStep('identity.take', ({groups}) => ({groups: [...groups, 0]})),
  'no change of account': missing('identity.take'),
  'a nicer payload': inStep('nice.set', ({value}) => ({value: value + 1})),
  'a payload that is not nice': missing('nice.set'),
  'another account in the image': inStep('accounts.provide', ({account}) => ({account: {...account, uid: 0}})),
  'ids of a machine off by one': inStep('namespace.unshare', ({maps}) => {
    const [first, ...others] = maps?.uids ?? [];
    return maps === undefined || first === undefined ? null : {maps: {...maps, uids: [{...first, outside: first.outside + 1}, ...others]}};
  }),
  'a namespace less': inStep('namespace.unshare', ({namespaces}) => ({namespaces: namespaces.slice(0, -1)})),
  'another seccomp profile': inStep('seccomp.load', () => ({profile: 'unconfined?'})),
  'no seccomp profile': missing('seccomp.load'),
  'capabilities that are kept': inStep('privileges.drop', () => ({capabilities: 'kept'})),
  'a place more to write to, for Landlock': inPart('landlock', (landlock) => ({...landlock, writable: [...landlock.writable, '/']})),
  'no Landlock': inPart('landlock', (landlock) => (landlock.abi === null ? null : {...landlock, abi: null})),
  'a place of the kernel’s that is not masked': inStep('paths.protect', ({masked}) => ({masked: masked.slice(1)})),

  // mounts
  'a mount read-write': inStep('mount.bind', ({options}) => (options.includes('ro') ? {options: ['rw']} : null)),
  'a mount with devices': inStep('mount.bind', ({options}) => (options.includes('dev') ? null : {options: [...options, 'dev']})),
  'a mount that may be lacking': inStep('mount.bind', ({optional}) => ({optional: !optional})),
  'a mount from elsewhere': inStep('mount.bind', ({source}) => ({source: `${source}x`})),
  'a mount elsewhere': inStep('mount.bind', ({destination}) => ({destination: `${destination}x`})),
  'a mount less': missing('mount.bind'),
  'a mount that stays writable': missing('mount.readonly'),
  'mounts in another order': instead('mount.proc', (step, next) => (next === undefined ? [] : [next, step])),
  'a mount twice': instead('mount.proc', (step) => [step, step]),
  'a tmpfs of another size': inStep('mount.tmpfs', ({sizeBytes}) => ({sizeBytes: plusOne(sizeBytes)})),
  'a directory that others can read': inStep('directory.create', ({mode}) => (mode === '0700' ? {mode: '0755'} : null)),
  'a directory of the caller’s': inStep('directory.create', ({owner}) => (owner === 'caller' ? null : {owner: 'caller'})),
  'a directory that is no longer closed': inStep('mount.closed', () => ({readOnly: false})),
  'another image': inStep('image.take', () => ({digest: 'sha256:0'})),
  'an overlay with other options': inStep('mount.overlay', ({options}) => ({options: [...options, 'volatile']})),
  'a repository that is not waited for': inStep('cvmfs.probe', ({waitUs}) => ({waitUs: waitUs + 1})),
  'a job that goes on without a repository': inStep('cvmfs.probe', ({otherwise}) => ({
    otherwise: otherwise === 'without' ? 'refuse' : 'without',
  })),

  // the network
  'a network of another mode': inStep('network.macvlan', ({mode}) => ({mode: mode === 'bridge' ? 'private' : 'bridge'})),
  'boxes that reach each other': inStep('network.veth', ({isolated}) => ({isolated: !isolated})),
  'another address of the bridge': inStep('network.bridge', () => ({addresses: ['10.20.0.2/24']})),
  'an address less to lease': inStep('network.lease', ({networks}) => ({networks: networks.slice(1)})),
  'no translation of addresses': missing('network.nat'),
  'another host name': inStep('hostname.set', ({hostname}) => ({hostname: `${hostname}x`})),

  // what runs
  'a variable more': instead('environment.set', (step) => [
    {op: 'environment.set', name: 'LD_PRELOAD', value: '/x.so', because: 'planted'},
    step,
  ]),
  'a variable with another value': inStep('environment.set', ({value}) => ({value: `${value} `})),
  'a variable that is not taken away': missing('environment.unset'),
  'another argument': inStep('payload.execute', ({argv}) => ({argv: [...argv, '']})),
  'two arguments as one': inStep('payload.execute', ({argv}) => (argv.length < 2 ? null : {argv: [argv.join(' ')]})),
  'another work directory': inStep('payload.execute', ({workDirectory}) => ({workDirectory: `${workDirectory}/x`})),
  'a task less': inStep('payload.execute', ({tasks}) => (tasks === undefined ? null : {tasks: tasks - 1})),
  'an application that waits for no other': inStep('application.execute', ({needs}) => (needs.length === 0 ? null : {needs: []})),
  'a service as root': inStep('application.execute', ({system}) => (system?.as === 'job' ? {system: {...system, as: 'root'}} : null)),
  'an rlimit off by one': inStep('rlimit.set', ({hard}) => ({hard: hard + 1})),
  'CPUs of another job': inStep('affinity.set', ({cpus}) => ({cpus: cpus.map(plusOne)})),
  'a watch off by one': inStep('watch.wallTime', ({limitUs}) => ({limitUs: limitUs + 1})),
  'no watch': missing('watch.memoryStall'),
  'suspended time that counts': inStep('watch.wallTime', ({suspended}) => ({
    suspended: suspended === 'counted' ? 'excluded' : 'counted',
  })),

  // decisions
  'another pattern': inPart('pattern', (pattern) => ({...pattern, value: pattern.value === 'vm-lite' ? 'ulimit++' : 'vm-lite'})),
  'another mode': inPart('mode', (mode) => ({...mode, value: mode.value === 'observe' ? 'box' : 'observe'})),
  'another engine': inPart('engine', (engine) => ({...engine, path: '/tmp/bwrap'})),
  'another rule': (plan) => ({...plan, rule: `${plan.rule ?? ''}x`}),
  'another state directory': inPart('directories', (directories) => ({...directories, state: '/tmp/tare'})),
  'a flag less': inPart('flags', (flags) => (flags.length === 0 ? null : flags.slice(1))),
  'an alarm less': inPart('degraded', (degraded) => ({...degraded, then: 'refuse'})),
  'a job that would have been refused': inPart('observed', (observed) => ({...observed, refused: {code: 'X', reason: 'planted'}})),
};
