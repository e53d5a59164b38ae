/** What a sweep did, for people. */

import {printable} from '../errors.js';

/** What became of one box or record, for a line of the report. */
export interface SweptLine {
  uid: number;
  recordId: string | null;
  result: 'closed' | 'written' | 'cleaned' | 'left';
  message: string;
}

/** One line for each attempt, and the sum. What another user's sweep said is printed without control characters. */
export function renderSweep(swept: readonly SweptLine[]): string {
  const lines = swept.map(({uid, recordId, result, message}) =>
    printable(`${result.padEnd(7)}  uid ${String(uid)}  ${recordId ?? '-'}  ${message}`),
  );
  const count = (result: SweptLine['result']): string => `${String(swept.filter((one) => one.result === result).length)} ${result}`;
  return [...lines, [count('closed'), count('written'), count('cleaned'), count('left')].join(', ')].join('\n');
}
