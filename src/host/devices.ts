/** Device files that jobs may need. */

import type {Tree} from './tree.js';

/** Directories, and the names in them that count. */
const DEVICES: readonly (readonly [directory: string, names: RegExp])[] = [
  ['/dev', /^(fuse|kfd|nvidia.*)$/],
  ['/dev/dri', /./],
  ['/dev/nvidia-caps', /./],
];

export function readDevices(tree: Tree): string[] {
  return DEVICES.flatMap(([directory, names]) =>
    tree.entries(directory, ({name, kind}) => kind === 'device' && names.test(name)).map(({name}) => `${directory}/${name}`),
  );
}
