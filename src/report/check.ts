/** One thing that doctor looks at. */

export type State = 'ok' | 'limited' | 'missing';

export interface Check {
  name: string;
  state: State;
  found: string;
  /** What is lost without it. */
  costs: string;
  remedy: string | null;
}
