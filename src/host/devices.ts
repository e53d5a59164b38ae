/** Device files that jobs may need. */

import type {Tree} from './tree.js';

/** Directories, and the names in them that count. */
const DEVICES: readonly (readonly [directory: string, names: RegExp])[] = [
  ['/dev', /^(fuse|kfd|nvidia.*)$/],
  ['/dev/dri', /./],
  ['/dev/nvidia-caps', /./],
];

/** Paths of the device files that a job may be given, sorted by directory and name. */
export function readDevices(tree: Tree): string[] {
  return DEVICES.flatMap(([directory, names]) =>
    tree.entries(directory, ({name, kind}) => kind === 'device' && names.test(name)).map(({name}) => `${directory}/${name}`),
  );
}
