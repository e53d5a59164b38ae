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

/** A row of what is well, or else in another state; what is well needs no remedy. */
export const checkRow = (
  name: string,
  isWell: boolean,
  {found, costs, remedy}: Omit<Check, 'name' | 'state'>,
  otherwise: State = 'missing',
): Check => ({name, state: isWell ? 'ok' : otherwise, found, costs, remedy: isWell ? null : remedy});
