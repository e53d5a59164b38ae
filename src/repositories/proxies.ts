/**
 * Whether the proxies of a client that Tare starts answer. The client finds out by its time-outs, some 12 s for each that does not answer,
 * anew for each job; here all are tried at once, for a second, and what does not answer counts as dead for some minutes.
 */

import {readFileSync} from 'node:fs';
import {net} from '../builtin.js';
import {ifPossible} from '../errors.js';
import {addressOf, hasChoice, proxiesIn, withDeadLast} from '../cvmfs/proxies.js';
import type {Log} from '../process/log.js';
import {replaceNote} from '../record/durable.js';

/** A proxy is near. */
const ANSWER_MS = 1000;
/** Time for which a proxy counts as dead: that for which the client avoids a group that failed (CVMFS_PROXY_RESET_AFTER). */
const DEAD_FOR_MS = 300_000;

/** Why each that does not answer does not, by its URL. */
type Dead = Record<string, string>;
type Kept = Record<string, {because: string; epochMs: number}>;

/**
 * The same proxies, with those that do not answer now last.
 * @param file in which the result is kept for the next jobs; null: none
 */
export async function inBestOrder(proxies: string, file: string | null, log: Log): Promise<string> {
  if (!hasChoice(proxies)) return proxies;
  const urls = proxiesIn(proxies);
  const known = Object.fromEntries(Object.entries(read(file)).filter(([url]) => urls.includes(url)));
  const found = await deadOf(urls.filter((url) => known[url] === undefined));
  const isNew = Object.keys(found).length > 0;
  for (const [url, because] of Object.entries(found)) log.warn('a proxy does not answer', {proxy: url, reason: because});
  if (isNew) write(file, found);
  return withDeadLast(proxies, new Set([...Object.keys(known), ...Object.keys(found)]));
}

/** The proxies or servers that do not answer now, with the reason. */
export async function deadOf(urls: readonly string[]): Promise<Dead> {
  const answers = await Promise.all(urls.map(async (url): Promise<[string, string | null]> => [url, await refusalOf(url)]));
  return Object.fromEntries(answers.flatMap(([url, because]) => (because === null ? [] : [[url, because]])));
}

/** null: it answers, or its address is not known. */
function refusalOf(url: string): Promise<string | null> {
  const address = addressOf(url);
  if (address === null) return Promise.resolve(null);
  return new Promise((resolve) => {
    const socket = net().connect(address);
    const settle = (because: string | null): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(because);
    };
    const timer = setTimeout(() => settle(`no answer in ${String(ANSWER_MS / 1000)} s`), ANSWER_MS);
    socket.on('connect', () => settle(null));
    socket.on('error', ({message, code}: NodeJS.ErrnoException) => settle(code ?? message));
  });
}

function read(file: string | null): Kept {
  if (file === null) return {};
  const now = Date.now();
  const found = ifPossible(() => {
    const kept = JSON.parse(readFileSync(file, 'utf8')) as Kept;
    return Object.fromEntries(Object.entries(kept).filter(([, {epochMs}]) => epochMs <= now && now - epochMs < DEAD_FOR_MS));
  });
  return found ?? {};
}

/** Writes the answer; of several jobs at once the last one counts. */
function write(file: string | null, found: Dead): void {
  if (file === null) return;
  const epochMs = Date.now();
  const kept = {...read(file), ...Object.fromEntries(Object.entries(found).map(([url, because]) => [url, {because, epochMs}]))};
  ifPossible(() => replaceNote(file, kept)); // the next job finds out itself
}
