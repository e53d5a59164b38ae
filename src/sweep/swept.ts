/** What a sweep says about one attempt. */

import type {Presence} from '../process/presence.js';

/** What a sweep did about one attempt. */
export interface Swept {
  /** null where a folder did not say whose it was. */
  recordId: string | null;
  /**
   * `closed`: the record is now `lost`; `written`: no spool had taken the final record, and one has it now; `cleaned`: it was final already;
   * `left`: something could not be stopped, removed or written.
   */
  result: 'closed' | 'written' | 'cleaned' | 'left';
  /** For people. */
  message: string;
}

/** Why no wrapper will end it. */
export type Over = Exclude<Presence, 'here' | 'unknown'>;

/** Reasons for the record. */
export const REASONS = {
  gone: 'the wrapper was killed, and all with it',
  restarted: 'the node went down',
} as const satisfies Record<Over, string>;
