/** The processes of a live box, by their numbers on the node. */

import {readFileSync} from 'node:fs';
import {ifPossible} from '../errors.js';
import {isRunning} from '../process/process.js';
import {readProcess, readTree, type ProcessSample} from '../process/tree.js';
import type {LiveBox} from './box-view.js';
import {groupsOf} from './live.js';

/** One process; the command as it shows it, which it can change. */
export interface BoxProcess extends ProcessSample {
  command: string;
}

/** More are cut off. */
const MOST = 10_000;
const LONGEST_COMMAND = 4096;

/** All below init, and what is in the payload's groups beside (`tare exec`), by their numbers. One that ends meanwhile is left out. */
export function processesOf(box: LiveBox): BoxProcess[] {
  const {init} = box;
  const samples = init === null || !isRunning(init) ? [] : readTree(init.pid);
  const seen = new Set(samples.map(({pid}) => pid));
  const beside = groupsOf(box)
    .processes('payload')
    .filter((pid) => !seen.has(pid) && pid !== init?.pid)
    .flatMap((pid) => readProcess(pid) ?? []);
  return [...samples, ...beside]
    .sort((a, b) => a.pid - b.pid)
    .slice(0, MOST)
    .map((sample) => ({...sample, command: commandOf(sample.pid)}));
}

/** The command line (proc_pid_cmdline(5)), else the name (proc_pid_comm(5)) in brackets: of a zombie, and of what is not ours to look at. */
function commandOf(pid: number): string {
  const read = (name: string): string => ifPossible(() => readFileSync(`/proc/${String(pid)}/${name}`, 'utf8')) ?? '';
  const line = read('cmdline').slice(0, LONGEST_COMMAND).replace(/\0+$/, '').replaceAll('\0', ' ');
  return line === '' ? `[${read('comm').trimEnd()}]` : line;
}
