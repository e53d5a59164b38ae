/** Names for contents that are on disk: directories, files and links, in an order in which nothing leads out of the tree. */

import {chmodSync, linkSync, mkdirSync, renameSync, symlinkSync} from 'node:fs';
import type {Store} from './contents.js';
import type {Content, DirectoryNode} from './tree.js';

/** Number of names that are made before other work goes on. */
const TURN = 2000;

/** Names on disk: no link is there before everything that lies in directories is. */
export class Writer {
  private readonly store: Store;
  private readonly made = new Map<Content, string>();
  private readonly links: {path: string; target: string}[] = [];
  private readonly aborted: AbortSignal | undefined;
  private files = 0;

  constructor(store: Store, aborted: AbortSignal | undefined) {
    this.store = store;
    this.aborted = aborted;
  }

  /**
   * Makes the tree below a path that exists.
   * @returns the number of files
   * @throws Error of the system
   */
  async write(root: DirectoryNode, path: string): Promise<number> {
    await this.directory(root, path);
    for (const link of this.links) symlinkSync(link.target, link.path);
    this.modes(root, path);
    return this.files;
  }

  private async directory({children}: DirectoryNode, path: string): Promise<void> {
    mkdirSync(path, {mode: 0o700});
    for (const [name, node] of children) {
      const place = `${path}/${name}`;
      if (node.kind === 'directory') await this.directory(node, place);
      else if (node.kind === 'symlink') this.links.push({path: place, target: node.target});
      else this.file(node.content, place);
      this.files++;
      if (this.files % TURN === 0) await this.turn();
    }
  }

  /** Lets the event loop run once, which delivers signals. */
  private async turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.aborted?.throwIfAborted();
  }

  private file(content: Content, path: string): void {
    const before = this.made.get(content);
    if (before === undefined) renameSync(this.store.pathOf(content), path);
    else linkSync(before, path);
    this.made.set(content, path);
  }

  private modes({children, mode}: DirectoryNode, path: string): void {
    for (const [name, node] of children) if (node.kind === 'directory') this.modes(node, `${path}/${name}`);
    // its owner can look into it and remove it again
    chmodSync(path, mode | 0o700);
  }
}
