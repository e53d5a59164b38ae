/** A plan that was saved is checked against this node and this caller before it is obeyed. */

import {TareError} from '../errors.js';
import type {Facts, IdentityFacts} from '../host/facts.js';
import {SQUASHFUSE} from '../image/look.js';
import {boxObstacle, systemObstacle} from '../plan/mode.js';
import {isNeverWritable} from '../plan/mounts.js';
import {fillHostname, hostnameFault} from '../job/hostname.js';
import {LIMIT_NAMES} from '../job/job.js';
import {canonicalJson, digest} from '../plan/canonical.js';
import {mountStep, repositoryOf} from '../plan/cvmfs.js';
import {planLandlock} from '../plan/landlock.js';
import {cachedTree, MOUNTED} from '../plan/image.js';
import {PROTECTED} from '../plan/system.js';
import {stepOf, stepsOf, type Step, type StepOf} from '../plan/step.js';
import {allowsImage, allowsPath} from '../policy/images.js';
import {imagesPlace, placesOf} from '../policy/places.js';
import {connectionSteps, networkObstacle, userSteps} from '../plan/network.js';
import {SHIFTED} from '../plan/view.js';
import type {Policy} from '../policy/policy.js';
import type {Plan} from '../schema/generated/plan-1.js';

/**
 * @returns whom the plan's payload runs as
 * @throws TareError PLAN_MISMATCH
 */
export function checkSavedPlan(plan: Plan, file: string, facts: Facts, policy: Policy): IdentityFacts {
  const mismatch = (message: string, found: string, allowed: string): TareError =>
    new TareError('PLAN_MISMATCH', {
      message: `the plan does not fit this node: ${message}`,
      where: file,
      found,
      allowed,
      remedy: 'make it anew with `tare plan --json`',
    });

  if (plan.inputs.policy !== digest(policy)) throw mismatch('it was made under another policy', plan.inputs.policy, digest(policy));
  const places = placesOf(policy, facts.caller.uid);
  if (canonicalJson(places) !== canonicalJson(plan.directories))
    throw mismatch('its directories are not the policy’s', canonicalJson(plan.directories), canonicalJson(places));
  checkLimits(plan, policy, mismatch);
  const tasks = stepOf(plan, 'payload.execute')?.tasks;
  if (tasks !== undefined)
    throw mismatch('tasks of a batch system are to join it, and none would', String(tasks), 'a payload that is executed');
  const parents = new Map<string | null, 1 | 2>([
    ...Object.values(facts.cgroup.controllers).map(({parent, version}) => [parent, version] as const),
    ...facts.cgroup.others.map(({parent}) => [parent, 1] as const),
  ]);
  for (const step of stepsOf(plan, 'cgroup.create')) {
    const parent = step.directory.slice(0, step.directory.indexOf('/tare-{id}'));
    if (!step.directory.includes('/tare-{id}') || parents.get(parent) !== step.version) {
      throw mismatch(
        'its control groups cannot be made there',
        step.directory,
        [...parents.keys()].filter((known) => known !== null).join(', ') || 'none',
      );
    }
  }
  const groups = new Set(stepsOf(plan, 'cgroup.create').map(({directory}) => directory));
  for (const step of stepsOf(plan, 'cgroup.write')) {
    if (!groups.has(step.directory) || step.file.includes('/'))
      throw mismatch('it writes outside its own groups', `${step.directory}/${step.file}`, 'groups below tare-{id}');
  }
  for (const {directory, into} of stepsOf(plan, 'cgroup.evacuate')) {
    const {toEmpty} = facts.cgroup;
    if (toEmpty?.directory !== directory || toEmpty.into !== into)
      throw mismatch('it moves processes out of a group where that is not needed', directory, toEmpty?.directory ?? 'none');
  }
  for (const step of stepsOf(plan, 'cgroup.enable')) {
    // of several applications the payload's too, in which each has its own
    const own = plan.applications === null ? /\/tare-\{id\}$/ : /\/tare-\{id\}(?:\/payload)?$/;
    const parent = step.directory.replace(own, '');
    if (!parents.has(parent)) throw mismatch('it changes a group that is not its own', step.directory, 'its own groups and their parent');
  }
  for (const {source, options} of stepsOf(plan, 'mount.bind')) {
    if (options.includes('rw') && isNeverWritable(source)) throw mismatch('it makes the node writable', source, 'a work directory');
  }
  for (const {path} of stepsOf(plan, 'directory.create')) {
    if (!OWN_DIRECTORY.test(path)) throw mismatch('it makes a directory outside the box’s own folder', path, '{box}/NAME');
  }
  checkViews(plan, facts, policy, mismatch);
  checkRepositories(plan, policy, mismatch);
  const boxed = plan.steps.some(({op}) => op.startsWith('mount.') || op === 'namespace.unshare' || op === 'privileges.drop');
  const system = plan.pattern.value === 'vm-lite';
  const engines = system ? ['crun', 'runc'] : ['bubblewrap'];
  if (boxed !== engines.includes(plan.engine.name) || boxed !== (plan.mode.value === 'box')) {
    throw mismatch(
      'its engine, mode and steps do not belong together',
      `engine ${plan.engine.name}, mode ${plan.mode.value}`,
      'a plan as it was made',
    );
  }
  if (plan.mode.value !== 'observe' && plan.observed !== undefined)
    throw mismatch('it is not observed, and says what would be if it were', plan.mode.value, 'a plan as it was made');
  if (plan.engine.name === 'bubblewrap') {
    const lacking = boxObstacle(facts);
    if (lacking !== null) throw mismatch('the box cannot be built', lacking, 'a node as it was planned for');
    if (plan.engine.path !== facts.bubblewrap.path)
      throw mismatch('bubblewrap is elsewhere', plan.engine.path ?? 'none', facts.bubblewrap.path ?? 'none');
  }
  if (boxed) checkFilter(plan, facts, policy, mismatch);
  const [wall, wanted] = [plan.landlock, planLandlock(plan, facts.landlock)].map((each) => canonicalJson(each ?? null));
  if (wall !== wanted) throw mismatch('what Landlock lets it write to is another', wall ?? '', wanted ?? '');
  if (boxed && system) checkSystem(plan, facts, policy, mismatch);
  checkNetwork(plan, facts, policy, mismatch);
  const cpus = stepOf(plan, 'affinity.set')?.cpus ?? [];
  if (!cpus.every((cpu) => facts.cpu.allowed.includes(cpu)))
    throw mismatch('its CPUs are not all here', cpus.join(','), facts.cpu.allowed.join(','));
  return planIdentity(plan, facts, policy, mismatch);
}

function checkFilter(plan: Plan, {seccomp}: Facts, policy: Policy, mismatch: Mismatch): void {
  const rule = policy.rules.find(({name}) => name === plan.rule);
  const wanted = seccomp.available ? (rule?.set.seccomp ?? policy.seccomp).value : 'unconfined';
  const found = stepOf(plan, 'seccomp.load')?.profile ?? 'unconfined';
  if (found !== wanted) throw mismatch('its filter on system calls is another', found, wanted);
}

/** What keeps a small machine from the node is as the policy and this node make it. */
function checkSystem(plan: Plan, facts: Facts, policy: Policy, mismatch: Mismatch): void {
  const {system, caller} = facts;
  const lacking = systemObstacle(facts);
  if (system === null || lacking !== null)
    throw mismatch('the small machine cannot be built', lacking ?? 'nothing is known', 'a node as it was planned for');
  const {oci, subordinate, unifiedAt} = system;
  if (plan.engine.path !== oci.path || plan.engine.name !== oci.name)
    throw mismatch('the OCI runtime is elsewhere', plan.engine.path ?? 'none', oci.path ?? 'none');
  const same = (what: string, found: unknown, wanted: unknown): void => {
    if (canonicalJson(found) !== canonicalJson(wanted)) throw mismatch(what, canonicalJson(found), canonicalJson(wanted));
  };
  const protect = stepOf(plan, 'paths.protect');
  same('it shows what is hidden', {masked: protect?.masked, readOnly: protect?.readOnly}, PROTECTED);
  same(
    'it covers another place',
    stepsOf(plan, 'mount.cover').map(({at}) => at),
    unifiedAt === null ? [] : [unifiedAt],
  );
  const root = stepOf(plan, 'view.unshare')?.root ?? null;
  const wanted = caller.uid === 0 ? null : {uid: caller.uid, gid: caller.gid, uids: subordinate.uids, gids: subordinate.gids};
  same('its root is somebody else', root, wanted);
  const taken = stepOf(plan, 'image.take');
  const lowers =
    taken === undefined
      ? []
      : [
          ...checkImage(plan, taken, imagesPlace(policy, caller.uid), mismatch),
          ...stepsOf(plan, 'mount.squashfs').map(({source}) => source),
        ];
  for (const {image} of stepsOf(plan, 'accounts.provide'))
    if (!lowers.includes(image))
      throw mismatch('its accounts are of something else than its image', image, lowers.join(', ') || 'no image');
  for (const {name, system: part} of stepsOf(plan, 'application.execute'))
    if (part === null || (part.role === 'payload' && (part.as !== 'job' || part.first)))
      throw mismatch('a payload is not the job’s user', name, 'a plan as it was made');
}

/** The box's own, its disk's, and below `layers`, `view` and `private`. */
const OWN_DIRECTORY = /^\{box\}\/(?:disk\/)?(?:(?:layers|view|private)\/)?[a-z0-9-]+$/;

/** What root would mount is in the box's own folder, and lies over what the node and the policy offer. */
function checkViews(plan: Plan, facts: Facts, policy: Policy, mismatch: Mismatch): void {
  const {views, scratch} = facts;
  const isOwn = (path: string | null): boolean => path === null || (path.startsWith('{box}/') && !path.split('/').includes('..'));
  const offered = ['/', ...(views?.mounts ?? []).map(({point}) => point), ...(views?.writable ?? [])];
  const rule = policy.rules.find(({name}) => name === plan.rule);
  const images = (rule?.set.images ?? policy.images).value;
  const taken = stepOf(plan, 'image.take');
  // what is used where it lies is allowed by that alone: its digest is only what the plan says
  if (taken !== undefined && !(taken.tree === null ? allowsPath(images, taken.path) : allowsImage(images, taken)))
    throw mismatch('its image is not allowed', taken.path, images.join(', ') || 'none');
  const lowers = taken === undefined ? [] : checkImage(plan, taken, imagesPlace(policy, facts.caller.uid), mismatch);
  for (const {lower, upper, work, at, by} of stepsOf(plan, 'mount.overlay')) {
    if (![upper, work, at].every(isOwn)) throw mismatch('it mounts outside the box’s own folder', at, 'below {box}');
    if (!offered.includes(lower) && !lowers.includes(lower) && lower !== SHIFTED)
      throw mismatch('a view lies over what is no layer here', lower, [...offered, ...lowers].join(', '));
    const ability = by === 'overlayfs' ? views?.overlay : views?.fuse;
    if (ability?.available !== true)
      throw mismatch('its views cannot be made', ability?.how ?? 'not tried', 'a node as it was planned for');
  }
  const inner = [...stepsOf(plan, 'mount.bind'), ...stepsOf(plan, 'mount.tmpfs')].map(({inside}) => inside).filter((one) => one != null);
  for (const {at, path} of inner)
    if (!isOwn(at) || path.split('/').includes('..'))
      throw mismatch('it mounts outside the box’s own folder', `${at}/${path}`, 'below {box}');
  for (const {at, source, readOnly} of stepsOf(plan, 'mount.closed')) {
    if (!isOwn(at)) throw mismatch('it mounts outside the box’s own folder', at, 'below {box}');
    if (!readOnly && isNeverWritable(source)) throw mismatch('it makes the node writable', source, 'a work directory');
  }
  for (const {at} of stepsOf(plan, 'mount.graft'))
    if (!isOwn(at)) throw mismatch('it mounts outside the box’s own folder', at, 'below {box}');
  for (const {source, at} of stepsOf(plan, 'mount.shift'))
    if (at !== SHIFTED || !lowers.includes(source))
      throw mismatch('it changes owners of what is no image', source, lowers.join(', ') || 'no image');
  for (const {upper} of stepsOf(plan, 'mount.point'))
    if (!isOwn(upper)) throw mismatch('it makes files outside the box’s own folder', upper, 'below {box}');
  for (const {image, program, destination} of stepsOf(plan, 'scratch.contain')) {
    if (!isOwn(image) || !isOwn(destination)) throw mismatch('its disk is outside the box’s own folder', destination, 'below {box}');
    if (program !== null && program !== scratch.containers.program)
      throw mismatch('the program that makes its disk is elsewhere', program, scratch.containers.program ?? 'none');
  }
}

/** @returns what a view may lie over because of the image: the tree itself, one in the cache, or a file system that is mounted for the box */
function checkImage(plan: Plan, {path, kind, digest, tree}: StepOf<'image.take'>, cache: string, mismatch: Mismatch): string[] {
  if (tree !== null && (digest === null || tree !== cachedTree(cache, digest)))
    throw mismatch('its image is unpacked elsewhere', tree, digest === null ? 'nowhere' : cachedTree(cache, digest));
  if (kind === 'directory') return [path];
  if (kind !== 'squashfs') return tree === null ? [] : [`${tree}/root`];
  const source = tree === null ? path : `${tree}/image.squashfs`;
  for (const mount of stepsOf(plan, 'mount.squashfs')) {
    const odd = mount.options.find((option) => !/^(?:[ug]id=\d+|allow_other)$/.test(option));
    if (odd !== undefined) throw mismatch('it mounts its image in an unknown way', odd, 'uid=, gid=, allow_other');
    if (mount.source !== source || mount.at !== MOUNTED) throw mismatch('it mounts another file than its image', mount.source, source);
    if (mount.program !== null && !SQUASHFUSE.includes(mount.program))
      throw mismatch('the program that mounts its image is none that is known', mount.program, SQUASHFUSE.join(', '));
  }
  return [MOUNTED];
}

/** Devices, rules and programs are what the policy's pool and this node make of them: root obeys no others. */
function checkNetwork(plan: Plan, {network, node}: Facts, policy: Policy, mismatch: Mismatch): void {
  const steps = plan.steps.filter(({op}) => op.startsWith('network.'));
  const name = stepOf(plan, 'hostname.set');
  if (name !== undefined) {
    const fault = hostnameFault(fillHostname(name.hostname, {n: '0', id: '0'}));
    if (fault !== null) throw mismatch(`its host name ${fault}`, name.hostname, `a name on ${node.hostname}`);
  }
  const [first] = steps;
  if (first === undefined) return;
  if (network === null || name === undefined) throw mismatch('it has addresses and no host name', first.op, 'a plan as it was made');
  const wanted = stepOf(plan, 'network.lease')?.pool ?? null;
  const pool = policy.identity.pools.find((one) => one.name === wanted) ?? null;
  const kind = wanted === null ? 'user' : pool?.kind;
  const obstacle = kind === undefined ? null : networkObstacle(kind, pool, network, {isRoot: false});
  if (kind === undefined || !policy.identity.address.value.includes(kind))
    throw mismatch('the policy has no such addresses', wanted ?? 'user', policy.identity.address.value.join(', '));
  if (obstacle !== null) throw mismatch('its addresses cannot be had', obstacle.how, 'a node as it was planned for');
  const bare = (list: readonly Step[]): string => canonicalJson(list.map((step) => ({...step, because: ''})));
  const own = pool === null ? [userSteps(network, '')] : connectionSteps(pool, network, '');
  if (bare(steps) !== bare(own)) throw mismatch('its network is not the policy’s and this node’s', bare(steps), bare(own));
}

/** What root would hold, look at and bind are repositories. */
function checkRepositories(plan: Plan, policy: Policy, mismatch: Mismatch): void {
  const rule = policy.rules.find(({name}) => name === plan.rule);
  const {value, provenance} = rule?.set.cvmfs ?? policy.cvmfs;
  const {root, mount} = value;
  const isOne = (path: string): boolean => repositoryOf(path, root) === path.slice(root.length + 1);
  for (const {path} of stepsOf(plan, 'cvmfs.hold'))
    if (!isOne(path)) throw mismatch('it holds what is no repository', path, `${root}/NAME`);
  for (const {source, destination} of stepsOf(plan, 'cvmfs.bind'))
    if (!isOne(source) || source !== destination)
      throw mismatch('it binds what is no repository', `${source} to ${destination}`, `${root}/NAME`);
  const mounts = stepsOf(plan, 'cvmfs.mount');
  const isUser = process.getuid?.() !== 0;
  const account = isUser ? (process.getuid?.() ?? -1) : (stepOf(plan, 'identity.take')?.uid ?? 0);
  for (const step of mounts) {
    if (!isOne(`${step.root}/${step.repository}`)) throw mismatch('it mounts what is no repository', step.repository, `${root}/NAME`);
    const how = {root, account, isUser, repositories: mounts.length, at: provenance.at};
    const own = mount === null ? null : mountStep(step.repository, mount, how);
    if (own === null || canonicalJson({...step, because: ''}) !== canonicalJson({...own, because: ''}))
      throw mismatch('it mounts a repository in another way than the policy', canonicalJson(step), canonicalJson(own ?? {}));
  }
  for (const step of stepsOf(plan, 'cvmfs.probe'))
    if (step.root !== root || !isOne(`${root}/${step.repository}`))
      throw mismatch('it looks at what is no repository', `${step.root}/${step.repository}`, `${root}/NAME`);
}

type Mismatch = (message: string, found: string, allowed: string) => TareError;

/** Every limit that the plan says the kernel keeps has its step, and none is above the policy's maximum. */
function checkLimits(plan: Plan, policy: Policy, mismatch: Mismatch): void {
  const rule = policy.rules.find(({name}) => name === plan.rule);
  const maxima = {...policy.maxima, ...rule?.set.maxima};
  for (const name of LIMIT_NAMES) {
    const {value, enforcement, by} = plan.limits[name];
    const most = maxima[name]?.value;
    if (name !== 'pinCores' && most !== undefined && (value === null || value > most))
      throw mismatch(`its limit on ${name} is above the maximum`, String(value), String(most));
    const file = /^cgroup[12]:(.+)$/.exec(by ?? '')?.[1];
    if (value === null || enforcement !== 'kernel' || file === undefined) continue;
    if (!stepsOf(plan, 'cgroup.write').some((step) => step.file === file))
      throw mismatch(`its limit on ${name} has no step`, `no cgroup.write to ${file}`, 'a plan as it was made');
  }
}

function planIdentity(plan: Plan, {caller}: Facts, policy: Policy, mismatch: Mismatch): IdentityFacts {
  const identity = stepOf(plan, 'identity.take');
  if (identity === undefined) {
    if (caller.uid === 0 && !policy.identity.allowRoot.value)
      throw mismatch('the policy lets no payload run as root', 'root', 'another account');
    if (caller.uid === 0 && plan.job.user !== caller.name)
      throw mismatch('it was made by another caller', 'root', plan.job.user ?? 'another account');
    return caller;
  }
  if (identity.uid === 0) throw mismatch('the policy lets no payload run as root', '0', 'another account');
  if (caller.uid !== 0) throw mismatch('only root can take another identity', caller.name ?? String(caller.uid), 'root');
  return {uid: identity.uid, gid: identity.gid, groups: identity.groups, name: plan.job.user, home: null};
}
