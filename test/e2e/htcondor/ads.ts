/** The table of docs/reference/htcondor-ads.md, and what it lets two ads differ by. */

import {readFileSync} from 'node:fs';
import type {Ad} from '../../support/pool.js';

const WORDS = ['any', 'added', 'When'] as const;
/** One of the table's words, or the most that two numbers may differ by; `absent`: unless one is not there; `each`: for each CPU of the slot. */
type Allowed = (typeof WORDS)[number] | {most: number; absent: boolean; each: boolean};

export function allowedDifferences(): ReadonlyMap<string, Allowed> {
  const text = readFileSync(new URL('../../../docs/reference/htcondor-ads.md', import.meta.url), 'utf8');
  const rows = /<!-- ads -->\n.*\n.*\n([^]*?)<!-- end -->/.exec(text)?.[1]?.trim().split('\n') ?? [];
  return new Map(
    rows.flatMap((row) => {
      const [, names = '', by = ''] = row.split('|').map((cell) => cell.trim());
      const [, most, absent, each] = /^(\d+)(?:( or absent)|( for each CPU))?$/.exec(by) ?? [];
      const allowed = WORDS.find((word) => word === by) ?? {most: Number(most), absent: absent !== undefined, each: each !== undefined};
      if (typeof allowed === 'object' && Number.isNaN(allowed.most)) throw new Error(`htcondor-ads.md: ${row}`);
      return [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']) => [name, allowed] as const);
    }),
  );
}

/** Differences that the table does not allow. */
export function differences(without: Ad, ad: Ad, table: ReadonlyMap<string, Allowed>): string[] {
  const rule = (name: string): Allowed | undefined =>
    table.get(name) ?? [...table].find(([pattern]) => pattern.endsWith('*') && name.startsWith(pattern.slice(0, -1)))?.[1];
  const fits = (name: string): boolean => {
    const [before, now, allowed] = [without.get(name), ad.get(name), rule(name)];
    if (before === now || allowed === 'any') return true;
    if (allowed === 'added') return before === undefined;
    if (allowed === 'When') return timeless(before) === timeless(now);
    if (allowed === undefined || before === undefined || now === undefined) return allowed?.absent === true;
    return Math.abs(Number(before) - Number(now)) <= allowed.most * (allowed.each ? Number(ad.get('CpusProvisioned')) : 1);
  };
  const names = [...new Set([...without.keys(), ...ad.keys()])].sort();
  return names.filter((name) => !fits(name)).map((name) => `${name}: ${without.get(name) ?? '-'} without, ${ad.get(name) ?? '-'} with`);
}

const timeless = (ad = ''): string => ad.replace(/\bWhen = \d+/, '');
