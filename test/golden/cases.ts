/** Which job, policy and host are planned together, and how: for the goldens, and for scripts/update-golden.mjs, which writes them. */

import {readdirSync, readFileSync} from 'node:fs';
import {basename, extname} from 'node:path';
import {TareError, TareErrors} from '../../src/errors.js';
import type {Facts} from '../../src/host/facts.js';
import {readAccess} from '../../src/host/fixture.js';
import {readFacts} from '../../src/host/index.js';
import {bubblewrapArgv} from '../../src/engine/bubblewrap.js';
import type {BubblewrapAbilities} from '../../src/host/facts.js';
import {parseDocument} from '../../src/job/document.js';
import type {Job} from '../../src/job/job.js';
import {jobFromDocument} from '../../src/job/load.js';
import type {Call, Inputs} from '../../src/plan/inputs.js';
import {makePlan} from '../../src/plan/plan.js';
import {policyFromDocuments} from '../../src/policy/load.js';
import type {Policy} from '../../src/policy/policy.js';
import type {Plan} from '../../src/schema/generated/plan-1.js';

const ROOT = new URL('../../', import.meta.url);
export const PLANS = new URL('fixtures/plans/', ROOT);
export const REFUSED = new URL('other/refused.json', PLANS);
export const ARGV = new URL('other/argv.json', PLANS);

/** Every job meets every policy here. */
const HOME_HOST = 'el9-v2-condor24';
/** These meet every host. */
const EVERYWHERE: readonly (readonly [job: string, policy: string])[] = [
  ['mcsim', 'builtin'],
  ['mcsim', 'rules'],
  ['mcsim', 'required-kernel'],
  ['pilot', 'builtin'],
  ['pilot', 'rules'],
  ['full', 'rules'],
  ['view', 'builtin'],
];
/** bubblewrap's argv is kept of these, for two versions of bubblewrap. */
const WITH_ARGV = [
  'el9-v2-condor24.mcsim.builtin',
  'el9-v2-condor24.full.rules',
  'el9-v2-condor24.no-network.builtin',
  'debian13-v1root.pilot.builtin',
  'el9-v2-undelegated.mcsim.builtin',
  'debian13-v1root.view.builtin',
  'el9-v2-undelegated.view.builtin',
];
export const VERSIONS: Readonly<Record<string, BubblewrapAbilities>> = {
  '0.4.1': {tmpfsSize: false, perms: false, overlay: false, disableUserns: false},
  '0.11.0': {tmpfsSize: true, perms: true, overlay: true, disableUserns: true},
};

export interface Case {
  /** HOST.JOB.POLICY */
  name: string;
  inputs: Inputs;
}

/** What was refused, and with which words: one message for each reason. */
export interface Refusal {
  codes: string[];
  exit: number;
  messages: string[];
}

export async function readCases(): Promise<Case[]> {
  const [jobs, policies] = await Promise.all([readJobs(), readPolicies()]);
  const hosts = readdirSync(new URL('fixtures/hosts/', ROOT), {withFileTypes: true})
    .filter((entry) => entry.isDirectory())
    .map(({name}) => name)
    .sort();
  return hosts.flatMap((host) => {
    const facts = factsOf(host);
    const pairs =
      host === HOME_HOST ? [...jobs.keys()].flatMap((job) => [...policies.keys()].map((policy) => [job, policy] as const)) : EVERYWHERE;
    return pairs.map(([job, policy]) => ({
      name: `${host}.${job}.${policy}`,
      inputs: {job: named(jobs, job), policy: named(policies, policy), facts, call: callOf(facts)},
    }));
  });
}

/** The plan of a case, or why there is none. */
export function planCase({inputs}: Case): Plan | Refusal {
  try {
    return makePlan(inputs);
  } catch (error) {
    if (!(error instanceof TareError) && !(error instanceof TareErrors)) throw error;
    const errors = error instanceof TareErrors ? error.errors : [error];
    return {codes: errors.map(({code}) => code), exit: error.exit, messages: errors.map(({message}) => message)};
  }
}

/** A plan as it lies in a golden: its inputs' digests, which change with every word of a fact, are left out. */
export function goldenText(plan: Plan): string {
  const digest = '(a digest)';
  return jsonText({...plan, inputs: {job: digest, policy: digest, facts: digest}});
}

export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 1)}\n`;
}

/** All golden files by their place, as they should be. */
export async function goldens(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const refused: Record<string, Refusal> = {};
  const argv: Record<string, Record<string, string[]>> = {};
  for (const each of await readCases()) {
    const planned = planCase(each);
    if ('codes' in planned) {
      refused[each.name] = planned;
      continue;
    }
    files.set(new URL(`${each.name}.json`, PLANS).pathname, goldenText(planned));
    if (WITH_ARGV.includes(each.name)) {
      argv[each.name] = Object.fromEntries(
        Object.entries(VERSIONS).map(([version, abilities]) => [version, bubblewrapArgv(planned, '/BOX', abilities)]),
      );
    }
  }
  files.set(REFUSED.pathname, jsonText(refused));
  files.set(ARGV.pathname, jsonText(argv));
  return files;
}

/** Golden files that there are. */
export function goldenFiles(): string[] {
  const list = (folder: URL): string[] =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => new URL(name, folder).pathname);
  return [...list(PLANS), ...list(new URL('other/', PLANS))];
}

/** First release with each version (Documentation/userspace-api/landlock.rst). */
const LANDLOCK: readonly [readonly [number, number], string][] = [
  [[5, 13], '1'],
  [[5, 19], '2'],
  [[6, 2], '3'],
  [[6, 7], '4'],
  [[6, 10], '5'],
  [[6, 12], '6'],
  [[6, 15], '7'],
];

function factsOf(host: string): Facts {
  const root = new URL(`fixtures/hosts/${host}`, ROOT).pathname;
  const access = readAccess(root);
  if (access === null) throw new Error(`${root} is no captured host`);
  const options = {root, caller: access.caller, scratchDirectory: '/var/tmp', pinned: [0, 1, 1, 4]};
  const [major, minor] = readFacts(options).kernel.version;
  // as the kernel's releases have it: a captured host cannot be tried
  const hasOverlays = major > 5 || (major === 5 && minor >= 12);
  const landlock = LANDLOCK.findLast(([first]) => major > first[0] || (major === first[0] && minor >= first[1]))?.[1] ?? '0';
  return readFacts({...options, landlock: () => landlock, trial: () => (hasOverlays ? 'ok' : 'overlay: Operation not permitted')});
}

/** The same call everywhere: root's jobs run as a pool account, a user's as the user. */
function callOf({caller}: Facts): Call {
  const pool = {uid: 5001, gid: 5000, groups: [5000, 5100], name: 'atlas001', home: '/home/atlas001'};
  return {
    identity:
      caller.uid === 0
        ? {value: pool, provenance: {source: 'caller', at: 'the owner of the work directory'}}
        : {value: caller, provenance: {source: 'caller', at: 'the caller'}},
    environment: {
      HOME: '/home/atlas001',
      PATH: '/usr/bin:/bin',
      TMPDIR: '/tmp/slot1_1',
      OMP_NUM_THREADS: '3',
      X509_USER_PROXY: '/tmp/x509up_u1001',
      BEARER_TOKEN_FILE: '/var/tmp/token',
      KRB5CCNAME: 'FILE:/tmp/krb5cc_atlas',
      _CONDOR_CREDS: '/var/lib/condor/credentials',
    },
    slot: {name: 'slot1_1@wn001', cores: null, memoryBytes: null, scratchBytes: null, gpus: null, wallTimeUs: null, cpuTimeUs: null},
    batchId: '42.0',
    unboxed: null,
    sample: 0.05,
  };
}

async function readJobs(): Promise<Map<string, Job>> {
  return new Map(
    await Promise.all(
      list('fixtures/jobs/good/').map(async ({name, file, text}): Promise<[string, Job]> => [
        name,
        jobFromDocument(await parseDocument({text, file, kind: 'job'}), {file, callerDirectory: '/var/lib/condor/execute/dir_42'}),
      ]),
    ),
  );
}

async function readPolicies(): Promise<Map<string, Policy>> {
  const written = await Promise.all(
    list('fixtures/policies/good/').map(async ({name, file, text}): Promise<[string, Policy]> => [
      name,
      policyFromDocuments([{file, document: await parseDocument({text, file, kind: 'policy'})}]),
    ]),
  );
  return new Map([['builtin', policyFromDocuments([])], ...written]);
}

function list(folder: string): {name: string; file: string; text: string}[] {
  return readdirSync(new URL(folder, ROOT))
    .sort()
    .map((entry) => ({
      name: basename(entry, extname(entry)),
      file: folder + entry,
      text: readFileSync(new URL(folder + entry, ROOT), 'utf8'),
    }));
}

function named<T>(map: ReadonlyMap<string, T>, name: string): T {
  const value = map.get(name);
  if (value === undefined) throw new Error(`there is no ${name}`);
  return value;
}
