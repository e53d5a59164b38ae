/**
 * What a live box has changed: its upper layers against what lies under them, as the kernel's overlayfs writes them
 * (filesystems/overlayfs: whiteouts and opaque directories), and all that is in its private directories.
 */

import {lstatSync, readdirSync, type Stats} from 'node:fs';
import {errnoOf, ifPossible, TareError} from '../errors.js';
import {isContained} from '../plan/scratch.js';
import {inBox, stepOf, stepsOf} from '../plan/step.js';
import {isRunning} from '../process/process.js';
import {scratchDirectory, type BoxState} from '../box/state.js';
import {runTool} from '../process/tool.js';
import {readParent} from '../process/tree.js';

type FileKind = 'file' | 'directory' | 'link' | 'other';

/** A difference between a box's view and what it lies on. */
export interface Change {
  /** Added, changed, deleted. */
  kind: 'A' | 'C' | 'D';
  /** In the box. Bytes: a name need not be UTF-8. */
  path: Buffer;
  /** What is there now; of something deleted, what was there. */
  type: FileKind;
}

/** An upper directory, where it is seen in the box, and what is under it; null: nothing. */
interface Layer {
  upper: string;
  lower: string | null;
  destination: string;
  /** Ids of the lower side say nothing: its directories are the user's in the upper one. */
  foreignIds: boolean;
  /** Directories below it upon which another layer is mounted: what this one has there is not seen in the box. */
  hidden: readonly string[];
}

/**
 * Changes in the order of their paths, as they are found.
 * @param complain told of directories that cannot be read
 * @throws TareError APPLICATION_UNKNOWN, BOX_STATE
 */
export function diffBox(state: BoxState, application: string | null, complain: (message: string) => void): Generator<Change> {
  return merged(layersOf(state, application).map((layer) => new LayerWalk(layer, complain).changes()));
}

function layersOf({plan, id, init}: BoxState, application: string | null): Layer[] {
  const box = scratchDirectory(plan, id);
  const inside = stepOf(plan, 'scratch.quota') === undefined ? '' : engineRoot(init);
  const place = (path: string): string => (isContained(path) ? inside : '') + inBox(path, box);
  const views = stepsOf(plan, 'mount.overlay').filter(
    (step) => application === null || step.application === null || step.application === application,
  );
  if (application !== null && !views.some((step) => step.application === application)) {
    const names = [...new Set(stepsOf(plan, 'mount.overlay').flatMap((step) => step.application ?? []))];
    throw new TareError('APPLICATION_UNKNOWN', {
      message: `the box ${id} has no application ${application} with a view of its own`,
      allowed: names.join(', ') || 'none: leave --application out',
    });
  }
  const foreignIds = stepOf(plan, 'view.unshare')?.user === true;
  // an image that is mounted for the box is seen where its engine is
  const under = (lower: string): string => (lower.startsWith('{box}/') ? engineRoot(init) + inBox(lower, box) : lower);
  const own = stepsOf(plan, 'mount.bind').filter(({destination}) => destination === '/tmp' || destination === '/var/tmp');
  const hiddenIn = (above: string, of: string | null): string[] =>
    [...own, ...views.filter((view) => view.application === null || view.application === of)]
      .map(({destination}) => destination)
      .filter((destination) => destination !== above && destination.startsWith(above === '/' ? '/' : `${above}/`));
  return [
    ...views.map(({upper, lower, destination, application: of}) => ({
      upper: place(upper),
      lower: under(lower),
      destination,
      foreignIds,
      hidden: hiddenIn(destination, of),
    })),
    ...own.map(({source, destination}) => ({upper: place(source), lower: null, destination, foreignIds, hidden: []})),
  ];
}

/** The box's own disk is mounted where the engine is, and nowhere else. */
function engineRoot(init: BoxState['init']): string {
  const engine = init !== null && isRunning(init) ? readParent(init.pid) : null;
  if (engine === null || engine === 1) throw new TareError('BOX_STATE', {message: 'the box is not running yet, or not any more'});
  return `/proc/${String(engine)}/root`;
}

/** Streams that are each in order, as one. */
function* merged(streams: Generator<Change>[]): Generator<Change> {
  const heads = streams.flatMap((stream) => {
    const first = stream.next();
    return first.done === true ? [] : [{change: first.value, stream}];
  });
  while (heads.length > 0) {
    let least = 0;
    for (let index = 1; index < heads.length; index++) if (isBefore(heads[index]?.change, heads[least]?.change)) least = index;
    const head = heads[least];
    if (head === undefined) return;
    yield head.change;
    const next = head.stream.next();
    if (next.done === true) heads.splice(least, 1);
    else head.change = next.value;
  }
}

const SLASH = 0x2f;

/** The order of paths by components: a directory comes right before its content. */
function isBefore(a: Change | undefined, b: Change | undefined): boolean {
  if (a === undefined || b === undefined) return b === undefined;
  const length = Math.min(a.path.length, b.path.length);
  for (let index = 0; index < length; index++) {
    const [left, right] = [a.path[index] ?? 0, b.path[index] ?? 0];
    if (left !== right) return (left === SLASH ? 0 : left) < (right === SLASH ? 0 : right);
  }
  return a.path.length < b.path.length;
}

/** fuse-overlayfs, where it may make no device files: `.wh.NAME` for a whiteout, and one of these in an opaque directory. */
const FUSE_WHITEOUT = Buffer.from('.wh.');
const FUSE_OPAQUE = Buffer.from('.wh..wh..opq');

interface Entry {
  name: Buffer;
  kind: Change['kind'] | null;
  upper: Stats | null;
  lower: Stats | null;
  isMerged: boolean;
}

class LayerWalk {
  private readonly layer: Layer;
  private readonly complain: (message: string) => void;
  private readonly opaque: ReadonlySet<string>;

  constructor(layer: Layer, complain: (message: string) => void) {
    this.layer = layer;
    this.complain = complain;
    this.opaque = layer.lower === null ? new Set() : opaqueBelow(layer.upper);
  }

  *changes(): Generator<Change> {
    const {upper, lower, destination} = this.layer;
    const top = destination === '/' ? Buffer.alloc(0) : Buffer.from(destination);
    const entries = this.entriesOf(Buffer.from(upper), lower === null ? null : Buffer.from(lower), '');
    if (lower !== null && top.length > 0 && entries.some(({kind}) => kind === 'A' || kind === 'D'))
      yield {kind: 'C', path: top, type: 'directory'};
    yield* this.below(entries, Buffer.from(upper), lower === null ? null : Buffer.from(lower), top, '');
  }

  private *below(entries: readonly Entry[], upper: Buffer, lower: Buffer | null, path: Buffer, relative: string): Generator<Change> {
    for (const {name, kind, upper: above, lower: under, isMerged} of entries) {
      const here = join(path, name);
      if (above?.isDirectory() !== true) {
        if (kind !== null) yield {kind, path: here, type: typeOf(above ?? under)};
        continue;
      }
      const inner = relative === '' ? name.toString('latin1') : `${relative}/${name.toString('latin1')}`;
      const next = join(upper, name);
      const base = under?.isDirectory() === true && lower !== null ? join(lower, name) : null;
      const isHidden = this.layer.hidden.some((destination) => here.equals(Buffer.from(destination)));
      const entriesInside = isHidden ? [] : this.entriesOf(next, base, inner);
      const isChanged = kind !== null || !isMerged || entriesInside.some((entry) => entry.kind === 'A' || entry.kind === 'D');
      if (isChanged) yield {kind: kind ?? 'C', path: here, type: 'directory'};
      yield* this.below(entriesInside, next, base, here, inner);
    }
  }

  /** One directory on both sides, by name. */
  private entriesOf(upper: Buffer, lower: Buffer | null, relative: string): Entry[] {
    const names = this.namesIn(upper);
    const isOpaque = this.opaque.has(relative) || names.some((name) => name.equals(FUSE_OPAQUE));
    const entries: Entry[] = [];
    for (const name of names) {
      if (name.equals(FUSE_OPAQUE)) continue;
      const entry = this.compare(upper, lower, name, isOpaque);
      if (entry !== null) entries.push(entry);
    }
    if (isOpaque && lower !== null) {
      const present = new Set(entries.map(({name}) => name.toString('latin1')));
      for (const name of this.namesIn(lower)) {
        const gone = present.has(name.toString('latin1')) ? null : stat(join(lower, name));
        if (gone !== null) entries.push({name, kind: 'D', upper: null, lower: gone, isMerged: false});
      }
      entries.sort((a, b) => Buffer.compare(a.name, b.name));
    }
    return entries;
  }

  private compare(upper: Buffer, lower: Buffer | null, name: Buffer, isOpaque: boolean): Entry | null {
    const above = stat(join(upper, name));
    if (above === null) return null; // gone meanwhile
    const isFuse = this.layer.lower !== null && above.isFile() && name.subarray(0, FUSE_WHITEOUT.length).equals(FUSE_WHITEOUT);
    const real = isFuse ? name.subarray(FUSE_WHITEOUT.length) : name;
    const under = lower === null ? null : stat(join(lower, real));
    if (isFuse || isWhiteout(above)) return under === null ? null : {name: real, kind: 'D', upper: null, lower: under, isMerged: false};
    if (under === null) return {name, kind: 'A', upper: above, lower: null, isMerged: false};
    const isMerged = above.isDirectory() && under.isDirectory() && !isOpaque;
    const kind = isMerged && !this.differs(above, under) ? null : 'C';
    return {name, kind, upper: above, lower: under, isMerged};
  }

  /** Of a directory that is on both sides. */
  private differs(above: Stats, under: Stats): boolean {
    if (above.uid !== under.uid) return !this.layer.foreignIds;
    return above.gid !== under.gid || above.mode !== under.mode;
  }

  private namesIn(directory: Buffer): Buffer[] {
    try {
      return readdirSync(directory, {encoding: 'buffer'}).sort((a, b) => Buffer.compare(a, b));
    } catch (error) {
      const code = errnoOf(error);
      if (code !== 'ENOENT') this.complain(`${directory.toString('utf8')} cannot be read (${code ?? String(error)})`);
      return [];
    }
  }
}

/** Opaque directories by their paths below the layer, as latin1, which keeps every byte. */
function opaqueBelow(upper: string): Set<string> {
  const {status, stdout} = runTool('tare-opaque', [upper], 'latin1');
  if (status !== 0) throw new TareError('INTERNAL', {message: `the opaque directories below ${upper} cannot be listed`});
  return new Set(stdout.split('\0').slice(0, -1));
}

const stat = (path: Buffer): Stats | null => ifPossible(() => lstatSync(path));

/** A character device 0/0. */
const isWhiteout = (found: Stats): boolean => found.isCharacterDevice() && found.rdev === 0;

const join = (directory: Buffer, name: Buffer): Buffer => Buffer.concat([directory, Buffer.from([SLASH]), name]);

function typeOf(found: Stats | null): FileKind {
  if (found === null) return 'other';
  return found.isFile() ? 'file' : found.isDirectory() ? 'directory' : found.isSymbolicLink() ? 'link' : 'other';
}
