/**
 * The conformance suite: the same checks on each engine, pattern and role that the engine claims. `npm test` has a sample of them, `npm run
 * test:engines` all. What an engine says that it cannot is skipped with its reason; a new engine of src/plugins.ts is tried without a change here.
 */

import {existsSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {expect} from 'chai';
import type {Context} from 'mocha';
import type {Engine, EnginePattern} from '@tare/contract';
import {ENGINES} from '../../src/plugins.js';
import {sweep} from '../support/crash.js';
import {describeSite} from '../support/describe-site.js';
import {BUSYBOX} from '../support/machine.js';
import {LONG, need, needKernel} from '../support/need.js';
import {patience} from '../support/pace.js';
import {processes, program, ROLES, send, until, type Role, type Site} from '../support/tare.js';
import {withVirtual} from '../support/virtual.js';
import {withDaemon} from '../support/with-daemon.js';
import {Bench} from './bench.js';
import {NotClaimed, NotTried, perform, type Check} from './check.js';
import {ALL} from './checks/index.js';
import {mergeResults, readResults, ROLE_NAMES, thisNode, writeResults, type Results, type Verdict} from './results.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** `npm run test:engines -- --write` */
const WRITE = process.env.TARE_WRITE_RESULTS === '1';
const SECONDS = 60;
/** In reasons, paths that the next run does not have. */
const NAMES_OF_A_RUN = /\/[\w./-]*[\da-f]{16}[\w./-]*/g;

export const checksOf = (pattern: EnginePattern): readonly Check[] =>
  ALL.filter(({patterns}) => patterns === undefined || patterns.includes(pattern));
const isHere = ({program: {places}}: Engine): boolean => places.some((place) => existsSync(place));

/** Engines whose boxes take seconds to start: these checks alone are in `npm test`, as the first role. */
const SLOW: Readonly<Record<string, readonly string[]>> = {qemu: ['death by SIGKILL, in the record', 'nothing is left']};
const isTried = ({name, sample}: Check, engine: Engine, role: Role): boolean =>
  LONG || (sample === true && (SLOW[engine.name]?.includes(name) ?? true) && (!(engine.name in SLOW) || role === ROLES[0]));

interface Trial {
  check: Check;
  bench: Bench;
  /** It passed on such a node when the results were written. */
  had: boolean;
  note: (check: Check, verdict: Verdict, version?: string | null) => void;
}

/** One check: performed, nothing left of it, and noted. */
async function tryOne(context: Context, {check, bench, had, note}: Trial): Promise<void> {
  const own = bench.engine.words.unclaimed?.[check.name];
  try {
    if (own !== undefined) throw new NotClaimed(own);
    await perform(check, bench);
    await until('nothing to be left', () => bench.site.leftovers().length === 0, 1).catch(() => {
      expect(bench.site.leftovers()).to.deep.equal([]);
    });
    note(check, 'passed', bench.version);
  } catch (error) {
    const {message} = error as Error;
    if (error instanceof NotTried) {
      note(check, `not tried: ${message}`, bench.version);
      need(context, false, message);
    } else if (error instanceof NotClaimed && !had) {
      note(check, `not claimed: ${message}`, bench.version);
      needKernel(context, false, `${bench.engine.name} ${message}`);
    }
    note(check, 'failed', bench.version);
    await clear(bench.site);
    if (error instanceof NotClaimed) throw new Error(`passed when the results were written, and now the engine ${message}`, {cause: error});
    throw error;
  }
}

/** What a failed check has left is not the next one's, which has a site of its own. */
export async function clear(site: Site): Promise<void> {
  const left = (): number[] =>
    processes().flatMap(({pid, argv, state}) => (state !== 'Z' && argv.some((one) => one.includes(site.directory)) ? [pid] : []));
  for (const pid of left()) send(pid, 'SIGKILL');
  await until('the end of what was left', () => left().length === 0).catch(() => undefined);
  // groups are removed by who knows the box
  await sweep(site).catch(() => undefined);
  site.remove();
}

/** Skips what cannot be tried here at all: the program is not there, or the engine cannot build such a box on this node. */
function prepare(bench: Bench, unable: (reason: string) => void): void {
  const {engine, pattern} = bench;
  before(async function () {
    this.timeout(patience(SECONDS * 1000));
    // a node has those that its site wants
    needKernel(this, isHere(engine), `${engine.name} is not installed`);
    const isMachine = pattern === 'vm-lite';
    need(this, !isMachine || (existsSync(BUSYBOX) && program('newuidmap') !== null), 'busybox-static or uidmap is not installed');
    const reason = await bench.refusal({script: 'true'});
    if (reason !== null) unable(reason);
    needKernel(this, reason === null, `${engine.name} ${reason ?? ''}`);
  });
}

/** Of one pattern: a suite for each engine and role. */
export function conform(pattern: EnginePattern): void {
  const checks = checksOf(pattern);
  const written = readResults(ROOT, pattern);
  const found: Results = {};
  for (const engine of ENGINES.filter(({patterns}) => typeof patterns[pattern] !== 'string'))
    describeSite(`${engine.name}, ${pattern}, %s`, {mayLeave: true}, (site, role) => {
      const old = written[engine.name]?.[ROLE_NAMES[role]];
      const note: Trial['note'] = (check, verdict, version = null) => {
        const tried = ((found[engine.name] ??= {})[ROLE_NAMES[role]] ??= {version, node: thisNode(), checks: {}});
        tried.version ??= version;
        tried.checks[check.name] = verdict.replaceAll(NAMES_OF_A_RUN, '…');
      };
      const bench = new Bench(engine, pattern, {role, site});
      after(() => {
        if (!WRITE) return;
        const known = {engines: ENGINES.map(({name}) => name), checks: checks.map(({name}) => name)};
        writeResults(ROOT, pattern, mergeResults(written, found, known));
      });
      withDaemon(engine.name);
      if (engine.name === 'qemu') withVirtual(site);
      prepare(bench, (reason) => {
        for (const check of checks) note(check, `not claimed: ${reason}`);
      });
      for (const check of checks.filter((one) => isTried(one, engine, role)))
        it(check.name, async function () {
          this.timeout(patience((check.seconds ?? SECONDS) * 1000));
          await tryOne(this, {check, bench, had: old?.node === thisNode() && old.checks[check.name] === 'passed', note});
        });
    });
}
