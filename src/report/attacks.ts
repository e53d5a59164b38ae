/** What came of the attacks that doctor tried. */

import {renderTable, type TableOptions} from './table.js';

/** The result of an attack, from src/run/attack-answers.ts. */
interface TriedAttack {
  name: string;
  numbers: readonly string[];
  engine: string;
  result: 'held' | 'open' | 'not tried';
  tried: string;
  found: string | null;
}

const COLUMNS = [{header: 'result'}, {header: 'engine'}, {header: 'attack'}, {header: 'class of'}, {header: 'tried', wrap: true}] as const;

/** Attacks as a table for people, and a line that counts them. */
export function renderAttacks(attacks: readonly TriedAttack[], options: TableOptions = {}): string {
  const rows = attacks.map(({name, numbers, engine, result, tried, found}) => {
    const what = result === 'not tried' ? `not tried: ${found ?? ''}` : `${tried}${found === null ? '' : `: ${found}`}`;
    return [result === 'open' ? 'OPEN' : result === 'held' ? 'held' : '-', engine, name, numbers.join(', '), what];
  });
  const open = attacks.filter(({result}) => result === 'open').length;
  const held = attacks.filter(({result}) => result === 'held').length;
  const count = `${String(attacks.length)} attacks, by behaviour and not by version: ${String(held)} held, ${String(open)} open, ${String(attacks.length - held - open)} not tried\n`;
  return renderTable(COLUMNS, rows, options) + count;
}

/** Something got through. */
export const isOpen = (attacks: readonly TriedAttack[]): boolean => attacks.some(({result}) => result === 'open');
