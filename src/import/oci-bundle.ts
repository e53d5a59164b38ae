/** What a bundle of the OCI runtime specification is read into. */

import type {Problems} from '../job/problems.js';
import type {Draft} from './draft.js';
import type {TreeReader} from './tree.js';

/** A bundle that is being read. */
export interface Bundle {
  draft: Draft;
  reader: TreeReader;
  problems: Problems;
  /** Of config.json; null: not known. */
  directory: string | null;
  /** Whether it has hooks, which may connect its network. */
  hooks: boolean;
}

/** The specification's own words for what it does not have. */
export const UNKNOWN = 'it is no setting of OCI runtime specification 1.2';
