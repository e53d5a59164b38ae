/** The top of the node's file system: what a box has to show of it. */

import type {Facts} from './facts.js';
import type {Tree} from './tree.js';

/** Directories and links of `/`, of which views are made; nothing below them is read. */
export function readRoot(tree: Tree): Facts['root'] {
  const directories: string[] = [];
  const links: Record<string, string> = {};
  for (const {name, kind} of tree.entries('/', ({kind}) => kind === 'directory' || kind === 'link')) {
    const path = `/${name}`;
    if (kind === 'directory') directories.push(path);
    else links[path] = tree.link(path) ?? '';
  }
  return {directories, links};
}
