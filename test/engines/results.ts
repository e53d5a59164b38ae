/** What the checks found, as it is kept in test/engines/results: one file for each pattern. docs/reference/engines.md has it as tables. */

import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import {release} from 'node:os';
import {join} from 'node:path';
import type {EnginePattern} from '@tare/contract';
import {HIERARCHY} from '../support/groups.js';

/** The roles by the names that people know. */
export const ROLE_NAMES = {root: 'root', user: 'account'} as const;
type RoleName = (typeof ROLE_NAMES)[keyof typeof ROLE_NAMES];

/** `passed`, `failed`, `not claimed: REASON` or `not tried: REASON`. */
export type Verdict = string;

/** One engine in one role. */
interface Tried {
  /** Of the engine. */
  version: string | null;
  /** Kernel and control groups: results of another node may be others. */
  node: string;
  /** By names of checks. */
  checks: Record<string, Verdict>;
}

/** By engine and role. */
export type Results = Record<string, Partial<Record<RoleName, Tried>>>;

const FILES: Readonly<Record<EnginePattern, string>> = {'ulimit++': 'ulimit.json', 'quotas++': 'quotas.json', 'vm-lite': 'vm-lite.json'};
const PLACE = 'test/engines/results';

/** This machine, as results name it. */
export const thisNode = (): string => `Linux ${release().split('.').slice(0, 2).join('.')}, ${HIERARCHY}`;

/** @param root of the checkout */
export function readResults(root: string, pattern: EnginePattern): Results {
  const file = join(root, PLACE, FILES[pattern]);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Results) : {};
}

/** What was found now goes over what there is; what was not tried now stays, but for checks and engines that there are no more. */
export function mergeResults(before: Results, now: Results, known: {engines: readonly string[]; checks: readonly string[]}): Results {
  const merged: Results = {};
  for (const engine of known.engines)
    for (const role of Object.values(ROLE_NAMES)) {
      const [old, fresh] = [before[engine]?.[role], now[engine]?.[role]];
      const last = fresh ?? old;
      if (last === undefined) continue;
      const found = {...old?.checks, ...fresh?.checks};
      const checks: Record<string, Verdict> = {};
      for (const name of known.checks) {
        const verdict = found[name];
        if (verdict !== undefined) checks[name] = verdict;
      }
      merged[engine] = {...merged[engine], [role]: {version: last.version, node: last.node, checks}};
    }
  return merged;
}

/** @param root of the checkout */
export function writeResults(root: string, pattern: EnginePattern, results: Results): void {
  writeFileSync(join(root, PLACE, FILES[pattern]), `${JSON.stringify(results, null, 2)}\n`);
}
