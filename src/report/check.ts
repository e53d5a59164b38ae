/** One thing that doctor looks at. */

/** `limited`: it works, with less; `missing`: it does not. */
export type State = 'ok' | 'limited' | 'missing';

/** One row of a doctor's report. */
export interface Check {
  name: string;
  state: State;
  found: string;
  /** What is lost without it. */
  costs: string;
  remedy: string | null;
}
