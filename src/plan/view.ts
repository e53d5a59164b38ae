/**
 * What the payload finds at `/`: the node's files, or a copy-on-write view of them or of an image. The overlays of a view are mounted by
 * enter, with the wrapper's own rights, before the engine makes the box from them: so one way serves every engine and each of its versions.
 *
 * As root one overlay lies over the node's root and one over each other disk; what is mounted beside is put onto it, read-only. In a user
 * namespace the kernel copies up only what is the user's, and takes no directory for a layer that has mounts below it: there each directory
 * that the user may write to has an overlay, and the rest is the node's, read-only.
 */

import {TareError} from '../errors.js';
import type {Ability, ViewFacts, VisibleMount} from '../host/facts.js';
import {isImageName} from '../job/image-name.js';
import type {FileSystem, Valued} from '../job/job.js';
import {liesIn} from '../policy/glob.js';
import type {IdMaps} from './machine-ids.js';
import type {ImagePlan} from './image.js';
import type {Inputs} from './inputs.js';
import {bind, type Step} from './step.js';

/** The directory in which enter makes a view. */
const VIEW = '{box}/view';
/** The mount of an image with other owners. */
export const SHIFTED = '{box}/view/shifted';
/** The directory for views of applications, on the box's own /dev. */
const READY = '/dev/tare-views';
/** The box's own on every view, or bound with what lies below it. */
const NOT_VIEWED = ['/proc', '/dev', '/tmp', '/var/tmp'];
/** Files of the node in a box with an image: those about its network and its accounts. */
const NODE_FILES = ['/etc/hosts', '/etc/resolv.conf', '/etc/passwd', '/etc/group', '/etc/grid-security'];
/** Files of the node in a small machine, whose image has accounts of its own. */
const SYSTEM_FILES = ['/etc/hosts', '/etc/resolv.conf', '/etc/grid-security'];
/** What only root can change, and a boot loader reads. */
const BOOT = '/boot';

/** Which files the payload sees. */
export interface ViewChoice {
  /** `image`: that of an engine's store, which the engine shows, read-only. */
  value: FileSystem | 'image';
  because: string;
  image: Valued<string> | null;
}

/** What the job asks for, else the policy's first; an image alone means the box's view of it. An engine that saves its images has views of them. */
export function chooseView({job, policy, engine}: Pick<Inputs, 'job' | 'policy' | 'engine'>): ViewChoice {
  const {image} = job;
  if (image !== null && isImageName(image.value) && engine?.engine.images !== 'saved')
    return {value: 'image', because: image.provenance.at, image};
  if (job.filesystem !== null) return {value: job.filesystem.value, because: job.filesystem.provenance.at, image};
  if (image !== null) return {value: 'shared', because: image.provenance.at, image};
  const {value, provenance} = policy.filesystem;
  return {value: value[0] ?? 'node', because: provenance.at, image};
}

/** @throws TareError FILESYSTEM_UNAVAILABLE when the view cannot be made here */
export function checkView({value, because, image}: ViewChoice, {facts: {views}, engine}: Inputs): void {
  if (value === 'node' || value === 'image') return;
  const refuse = (found: string, remedy: string | null): never => {
    throw new TareError('FILESYSTEM_UNAVAILABLE', {
      message: `no copy-on-write view can be made for ${image === null ? `the file system ${value}` : `the image ${image.value}`}`,
      where: because,
      found,
      remedy: remedy ?? '`tare doctor` tells how to mend it',
    });
  };
  if (views === null) return refuse('it was not tried out', null);
  if (usable(views) === null) return refuse(`${views.overlay.how}; fuse-overlayfs: ${views.fuse.how}`, remedyOf(views));
  if (views.user && engine?.facts.setuid === true) {
    const {name} = engine.facts;
    refuse(`a setuid ${name} cannot be used in a user namespace`, `take the setuid bit of ${name} away`);
  }
}

/** How views are mounted here; null: in no way. */
export const usable = ({overlay, fuse}: ViewFacts): Ability | null => [overlay, fuse].find(({available}) => available) ?? null;
const remedyOf = ({overlay, fuse}: ViewFacts): string | null => {
  const remedies = [overlay.remedy, fuse.remedy].filter((remedy) => remedy !== null);
  return remedies.length === 0 ? null : remedies.join(', or ');
};

/** What the engine has at `/` of an image of its store, and of the node on it. @param cvmfs null: the box has repositories of its own */
export function storedRoot({value: image}: Valued<string>, digest: string | null, cvmfs: string | null): Step[] {
  const mounted = cvmfs === null ? [] : [bind(cvmfs, cvmfs, ['ro'], 'repositories that the node has mounted by now', true)];
  return [
    {op: 'image.root', image, digest, because: 'the image of the engine’s store, read-only'},
    bind('/sys', '/sys', ['ro'], 'the node’s, read-only'),
    ...mounted,
    ...NODE_FILES.map((path) => bind(path, path, ['ro'], 'the node’s: its network and its accounts', true)),
  ];
}

/** Steps of a view, in the order and by the process in which they are performed. */
export interface ViewPlan {
  /** What is needed before any of it: the image. */
  taken: Step[];
  /** For enter, in this order: directories first, then mounts. */
  directories: string[];
  /** What overlays lie on, which may have to be mounted itself. */
  lowers: Step[];
  points: Step[];
  mounts: Step[];
  /** What the engine puts at `/`, and over it. */
  base: Step[];
  /** Views of applications, for the engine to put on the box's own /dev. */
  ready: Step[];
}

/** What the steps of a view follow from. */
export interface ViewInputs {
  choice: ViewChoice;
  views: ViewFacts;
  /** That of the choice. */
  image: ImagePlan | null;
  /** Where layers lie: `{box}`, or what contains the scratch. */
  place: string;
  /** What is mounted over the view anyway, and is to be there in an image too. */
  destinations: readonly string[];
  /** Directories that stay real. */
  writable: readonly string[];
  /** The small machine of the view; null: the box is none. */
  system: {ownNetwork: boolean; maps: IdMaps | null} | null;
  /** Of a private view with several: a view for each. */
  applications: readonly string[];
  /** The directory of all repositories, and whether the box has another in its place. */
  cvmfs: {root: string; replaced: boolean};
}

/** Overlays of the box; with applications, of each of them. */
export function planView(inputs: ViewInputs): ViewPlan {
  const {choice, views, image, place, applications} = inputs;
  const own = choice.value === 'private' && applications.length > 1 ? applications : [null];
  const plan: ViewPlan = {taken: [], directories: [`${place}/layers`, VIEW], lowers: [], points: [], mounts: [], base: [], ready: []};
  if (image !== null) {
    plan.taken.push(image.take);
    plan.directories.push(...image.directories);
    plan.lowers.push(...image.mounts);
  }
  const why = `${choice.value} (${choice.because})`;
  const readOnlyRoot = bind('/', '/', ['ro'], 'the node’s file system, read-only');
  if (views.user && image === null) plan.base.push(readOnlyRoot);
  else if (own.length > 1)
    plan.base.push(image === null ? readOnlyRoot : bind(`${VIEW}/0`, '/', ['ro'], 'the image, read-only, with what is mounted upon'));
  for (const [index, application] of own.entries()) {
    const context: OverlayContext = {inputs, plan, application, key: String(index), why};
    if (image !== null) overImage(context, shifted(inputs, plan, image.lower));
    else if (views.user) overPlaces(context);
    else overNode(context);
  }
  return plan;
}

interface OverlayContext {
  inputs: ViewInputs;
  plan: ViewPlan;
  application: string | null;
  /** In names of directories. */
  key: string;
  why: string;
}

/** Names the layers' directories, and adds the overlay. */
function overlay({inputs, plan, application, key, why}: OverlayContext, lower: string, at: string, destination: string): {upper: string} {
  const {views, place} = inputs;
  const stem = `${place}/layers/${key}-${String(plan.mounts.filter(({op}) => op === 'mount.overlay').length)}`;
  const upper = `${stem}-upper`;
  const work = `${stem}-work`;
  plan.directories.push(upper, work);
  const byKernel = views.overlay.available;
  plan.mounts.push({
    op: 'mount.overlay',
    lower,
    upper,
    work,
    at,
    destination,
    by: byKernel ? 'overlayfs' : 'fuse-overlayfs',
    options: byKernel ? views.options : [],
    application,
    because: `${why}: ${byKernel ? views.overlay.how : views.fuse.how}`,
  });
  if (isTop(at)) {
    const [list, where] = application === null ? [plan.base, destination] : [plan.ready, readyAt(at)];
    list.push(bind(at, where, ['rw'], why));
  }
  return {upper};
}

/** The node's root and its other disks; everything else that is mounted comes along, read-only. */
function overNode(context: OverlayContext): void {
  const {inputs, plan, key} = context;
  const top = `${VIEW}/${key}`;
  plan.directories.push(top);
  overlay(context, '/', top, '/');
  const {root, replaced} = inputs.cvmfs;
  const whole = replaced ? [...NOT_VIEWED, root] : NOT_VIEWED.slice();
  for (const mount of inputs.views.mounts) {
    if (mount.point === '/' || whole.some((outer) => liesIn(mount.point, outer))) continue;
    const because = reasonToMove(mount);
    if (because === null) {
      overlay(context, mount.point, top + mount.point, mount.point);
      continue;
    }
    plan.mounts.push({op: 'mount.move', source: mount.point, at: top + mount.point, because});
    whole.push(mount.point);
  }
}

/** Why a mount is shown as it is, read-only; null: a user of the node could write there, so it gets an overlay. */
function reasonToMove({point, type, kind, readOnly}: VisibleMount): string | null {
  if (kind === 'network') return `${type}: never a lower layer, and not waited for`;
  if (kind === 'other') return `${type}: no ordinary disk`;
  if (liesIn(point, BOOT)) return 'what the node boots from';
  return readOnly ? 'mounted read-only' : null;
}

function overPlaces(context: OverlayContext): void {
  const {inputs, plan, key} = context;
  const {views, writable} = inputs;
  for (const [index, lower] of views.writable.entries()) {
    if (writable.some((directory) => liesIn(lower, directory))) continue;
    const at = `${VIEW}/${key}-${String(index)}`;
    plan.directories.push(at);
    overlay(context, lower, at, lower);
  }
}

/** The image with the owners that its files have in the box. */
function shifted({system}: ViewInputs, plan: ViewPlan, lower: string): string {
  if (system?.maps == null) return lower;
  plan.directories.push(SHIFTED);
  plan.lowers.push({op: 'mount.shift', source: lower, at: SHIFTED, because: 'the image’s root is the machine’s, not the node’s'});
  return SHIFTED;
}

function overImage(context: OverlayContext, image: string): void {
  const {inputs, plan, key} = context;
  const top = `${VIEW}/${key}`;
  plan.directories.push(top);
  const {upper} = overlay(context, image, top, '/');
  const {system} = inputs;
  const {root, replaced} = inputs.cvmfs;
  const files = system === null ? NODE_FILES : SYSTEM_FILES;
  const mounts = [...(system?.ownNetwork === true ? [] : ['/sys']), ...(replaced ? [] : [root])];
  const present = mounts.filter((path) => path === '/sys' || inputs.views.mounts.some(({point}) => liesIn(point, path)));
  for (const path of [...present, ...files, ...inputs.destinations])
    plan.points.push({op: 'mount.point', lower: image, upper, path, because: 'something to mount upon, whatever the image has there'});
  for (const path of present) plan.mounts.push({op: 'mount.move', source: path, at: top + path, because: 'the node’s, read-only'});
  for (const path of inputs.applications.length > 1 ? [] : files)
    plan.base.push(bind(path, path, ['ro'], 'the node’s: its network and its accounts', true));
}

/** How each application's process changes to its view. `kept`: what lies over all views, the outermost first. */
export function planEntrances({mounts}: ViewPlan, destinations: readonly string[]): Step[] {
  const overlays = mounts.filter((step) => step.op === 'mount.overlay');
  const names = [...new Set(overlays.map(({application}) => application))].filter((name) => name !== null);
  return names.map((application) => {
    const swaps = overlays
      .filter((step) => step.application === application && isTop(step.at))
      .map(({at, destination}) => ({source: readyAt(at), destination}));
    const under = (path: string): boolean => swaps.some(({destination}) => liesIn(path, destination));
    const kept = destinations.filter((path) => under(path) && !destinations.some((other) => other !== path && liesIn(path, other)));
    return {op: 'view.enter', application, swaps, kept, hidden: READY, because: 'private: a view for each application'};
  });
}

/** Whether a view is not mounted onto another one. */
const isTop = (at: string): boolean => at.startsWith(`${VIEW}/`) && !at.slice(VIEW.length + 1).includes('/');

/** The path of an application's view in the box. */
const readyAt = (at: string): string => READY + at.slice(VIEW.length);
