import {keyed, type Read} from './keyed.js';

/** The file that freezes a group, and what is written to it: cgroup.freeze on v2, freezer.state on v1. */
export interface FreezerFile {
  file: string;
  freeze: string;
  thaw: string;
}

/** What to write where; a v1 group has the file only in the freezer's hierarchy, a v2 group since Linux 5.2. */
export function freezerFile(version: 1 | 2): FreezerFile {
  return version === 2 ? {file: 'cgroup.freeze', freeze: '1', thaw: '0'} : {file: 'freezer.state', freeze: 'FROZEN', thaw: 'THAWED'};
}

/** All of the group has stopped (v1 says FREEZING until then). null: there is no freezer. */
export function isFrozen(version: 1 | 2, read: Read): boolean | null {
  if (version === 2) {
    const frozen = keyed(read('cgroup.events'), 'frozen');
    return frozen === null ? null : frozen === 1;
  }
  const state = read('freezer.state');
  return state === null ? null : state.trim() === 'FROZEN';
}
