/**
 * The files of an image while its layers are laid one over the other (OCI image specification, "Image Layer Filesystem Changeset"), as names
 * only: nothing is on disk but the contents, under numbers. So no link of an image can lead anywhere when a layer writes through it: links
 * are followed here, from the root of the image on, and are made on disk when everything else is there.
 */

/** The image is not one that can be unpacked: what is wrong, for people. */
export class TreeError extends Error {}

/** The bytes of a file, kept by contents.ts. */
export interface Content {
  /** Number of the file that holds it. */
  number: number;
}
interface Made {
  /** The last layer that wrote it. */
  layer: number;
}
interface FileNode extends Made {
  kind: 'file';
  /** The same object in each of several hard links. */
  content: Content;
}
interface LinkNode extends Made {
  kind: 'symlink';
  target: string;
}

/** A directory of the image and its children by name. */
export interface DirectoryNode extends Made {
  kind: 'directory';
  mode: number;
  children: Map<string, Node>;
}

/** Anything that has a name in the image. */
export type Node = FileNode | LinkNode | DirectoryNode;

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
/** Most links in one path, as in the kernel: more are a loop. */
const MOST_LINKS = 40;
const MOST_NAME = 255;
/** PATH_MAX of symlink(2), without its NUL. */
const MOST_TARGET = 4095;
const MOST_DEPTH = 512;
/** Most entries of one image; a name and its node take some 300 bytes of memory. */
const MOST_ENTRIES = 3_000_000;

/** Lays layers over each other, the lowest first. Its methods throw TreeError for a path that no image can have. */
export class ImageTree {
  readonly root: DirectoryNode = directory(0, 0o755);
  private layer = 0;
  private entries = 0;

  /** What is put from now on is of the next layer. */
  nextLayer(): void {
    this.layer++;
  }

  /** @returns whether it was the mark of something that this layer deletes; nothing is to be made of it then */
  whiteout(path: string): boolean {
    const steps = stepsOf(path);
    const name = steps.at(-1) ?? '';
    if (!name.startsWith(WHITEOUT)) return false;
    const above = this.find(steps.slice(0, -1));
    if (above?.kind !== 'directory') return true;
    if (name === OPAQUE) this.clear(above);
    // others of the kind `.wh..wh.` are aufs's own
    else if (!name.startsWith(WHITEOUT + WHITEOUT)) {
      const gone = name.slice(WHITEOUT.length);
      const node = above.children.get(gone);
      if (node !== undefined && this.isCleared(node)) above.children.delete(gone);
    }
    return true;
  }

  /** Makes a directory, or changes the mode of one that is there. */
  putDirectory(path: string, mode: number): void {
    const steps = stepsOf(path);
    if (steps.length === 0) {
      this.root.mode = mode;
      return;
    }
    const {above, name} = this.place(steps);
    const before = above.children.get(name);
    if (before?.kind === 'directory') Object.assign(before, {mode, layer: this.layer});
    else this.put(above, name, directory(this.layer, mode));
  }

  /** Puts a file in place of whatever had the name. */
  putFile(path: string, content: Content): void {
    const {above, name} = this.place(stepsOf(path));
    this.put(above, name, {kind: 'file', layer: this.layer, content});
  }

  /** Puts a symbolic link in place of whatever had the name. @throws TreeError */
  putSymlink(path: string, target: string): void {
    if (target === '' || target.includes('\0')) throw new TreeError(`the link ${path} has no target`);
    if (Buffer.byteLength(target) > MOST_TARGET)
      throw new TreeError(`the link ${path} has a target of more than ${String(MOST_TARGET)} bytes`);
    const {above, name} = this.place(stepsOf(path));
    this.put(above, name, {kind: 'symlink', layer: this.layer, target});
  }

  /** A second name of a file that is there already, in this layer or one below. @throws TreeError when there is none */
  putHardLink(path: string, target: string): void {
    const steps = stepsOf(target);
    const above = this.find(steps.slice(0, -1));
    const node = above?.kind === 'directory' ? above.children.get(steps.at(-1) ?? '') : undefined;
    if (node === undefined || node.kind === 'directory') throw new TreeError(`the hard link ${path} is to no file of the image: ${target}`);
    const {above: into, name} = this.place(stepsOf(path));
    this.put(into, name, {...node, layer: this.layer});
  }

  private put(above: DirectoryNode, name: string, node: Node): void {
    if (Buffer.byteLength(name) > MOST_NAME) throw new TreeError(`it has a name of more than ${String(MOST_NAME)} bytes`);
    if (++this.entries > MOST_ENTRIES) throw new TreeError(`it has more than ${String(MOST_ENTRIES)} files`);
    above.children.set(name, node);
  }

  /** The directory that a path is to be put in: links in it are followed, what is missing is made. */
  private place(steps: readonly string[]): {above: DirectoryNode; name: string} {
    const name = steps.at(-1);
    if (name === undefined) throw new TreeError('its root is no directory');
    const above = this.walk(steps.slice(0, -1), true);
    if (above?.kind !== 'directory') throw new TreeError(`${steps.join('/')} lies below a file`);
    return {above, name};
  }

  private find(steps: readonly string[]): Node | null {
    return this.walk(steps, false);
  }

  private walk(steps: readonly string[], make: boolean): Node | null {
    const trail: DirectoryNode[] = [this.root];
    const left = [...steps].reverse();
    let links = 0;
    for (let step = left.pop(); step !== undefined; step = left.pop()) {
      const here = trail.at(-1) ?? this.root;
      if (step === '' || step === '.') continue;
      if (step === '..') {
        // the root is its own parent, as after chroot
        if (trail.length > 1) trail.pop();
        continue;
      }
      let node = here.children.get(step);
      if (node === undefined) {
        if (!make) return null;
        node = directory(this.layer, 0o755);
        this.put(here, step, node);
      }
      if (node.kind === 'symlink') {
        if (++links > MOST_LINKS) throw new TreeError(`the links of ${steps.join('/')} lead in a circle`);
        if (node.target.startsWith('/')) trail.splice(1);
        left.push(...node.target.split('/').reverse());
      } else if (node.kind === 'file') {
        return left.length === 0 ? node : null;
      } else {
        if (make) node.layer = this.layer;
        if (trail.push(node) > MOST_DEPTH) throw new TreeError('its directories are nested too deeply');
      }
    }
    return trail.at(-1) ?? null;
  }

  /** Takes what lower layers have in it; what this one has put there stays. */
  private clear({children}: DirectoryNode): void {
    for (const [name, node] of children) if (this.isCleared(node)) children.delete(name);
  }

  private isCleared(node: Node): boolean {
    if (node.kind !== 'directory') return node.layer < this.layer;
    this.clear(node);
    return node.layer < this.layer && node.children.size === 0;
  }
}

const directory = (layer: number, mode: number): DirectoryNode => ({kind: 'directory', layer, mode, children: new Map()});

/** A path of an archive: `./` and slashes at its begin and end do not matter; nothing may go up. */
function stepsOf(path: string): string[] {
  if (path.includes('\0')) throw new TreeError('it has a name with a NUL in it');
  const steps = path.split('/').filter((step) => step !== '' && step !== '.');
  if (steps.includes('..')) throw new TreeError(`the name ${path} leads out of the image`);
  if (steps.length > MOST_DEPTH) throw new TreeError('its directories are nested too deeply');
  return steps;
}
