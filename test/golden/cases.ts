/** Which job, policy and host are planned together, and how. */

import {readdirSync, readFileSync} from 'node:fs';
import {basename, extname} from 'node:path';
import {TareError, TareErrors} from '../../src/errors.js';
import type {Facts} from '../../src/host/facts.js';
import {readAccess} from '../../src/host/fixture.js';
import {readFacts} from '../../src/host/index.js';
import {parseDocument} from '../../src/job/document.js';
import type {Job} from '../../src/job/job.js';
import {jobFromDocument} from '../../src/job/load.js';
import type {Call, Inputs} from '../../src/plan/inputs.js';
import {makePlan} from '../../src/plan/plan.js';
import {ENGINES} from '../../src/plugins.js';
import {policyFromDocuments} from '../../src/policy/load.js';
import type {Policy} from '../../src/policy/policy.js';
import type {Plan} from '../../src/schema/generated/plan-1.js';
import {SPECIAL} from './special.js';

const ROOT = new URL('../../', import.meta.url);

const CALLER_DIRECTORY = '/var/lib/condor/execute/dir_42';

/** Every job meets every policy here. */
const HOME_HOST = 'el9-v2-condor24';
/** These meet every host. */
const EVERYWHERE: readonly (readonly [job: string, policy: string])[] = [
  ['mcsim', 'builtin'],
  ['mcsim', 'rules'],
  ['mcsim', 'required-kernel'],
  ['pilot', 'builtin'],
  ['full', 'rules'],
  ['view', 'builtin'],
];

export interface Case {
  /** HOST.JOB.POLICY */
  name: string;
  inputs: Inputs;
}

/** Why there is no plan: one code and one message for each reason. */
export interface Refusal {
  codes: string[];
  exit: number;
  messages: string[];
}

/** A case with its plan, or its refusal. */
export interface Outcome {
  name: string;
  planned: Plan | Refusal;
}

export async function readCases(): Promise<Case[]> {
  const [jobs, policies] = await Promise.all([readJobs(), readPolicies()]);
  const hosts = readdirSync(new URL('fixtures/hosts/', ROOT), {withFileTypes: true})
    .filter((entry) => entry.isDirectory())
    .map(({name}) => name)
    .sort();
  const known = new Map(hosts.map((host) => [host, factsOf(host)]));
  const ofHosts = [...known].flatMap(([host, facts]) => {
    const pairs =
      host === HOME_HOST ? [...jobs.keys()].flatMap((job) => [...policies.keys()].map((policy) => [job, policy] as const)) : EVERYWHERE;
    return pairs.map(([job, policy]) => ({
      name: `${host}.${job}.${policy}`,
      inputs: {job: named(jobs, job), policy: named(policies, policy), facts, call: callOf(facts), engines: ENGINES},
    }));
  });
  return [...ofHosts, ...specialCases(known)];
}

function specialCases(known: ReadonlyMap<string, Facts>): Case[] {
  return SPECIAL.map(({name, job, policy, facts: change, call}) => {
    const [host = ''] = name.split('.');
    const {engines: more = [], ...changed} = change;
    const before = named(known, host);
    const engines = [...before.engines.filter(({name: one}) => !more.some((other) => other.name === one)), ...more];
    const facts = {...before, ...changed, engines};
    return {
      name,
      inputs: {
        job: jobFromDocument({schema: 'tare/job/v1', ...job}, {file: 'job.yaml', callerDirectory: CALLER_DIRECTORY}),
        policy: policyFromDocuments([{file: 'policy.yaml', document: {schema: 'tare/policy/v1', ...policy}}]),
        facts,
        call: {...callOf(facts), ...call},
        engines: ENGINES,
      },
    };
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
  const options = {root, engines: ENGINES, caller: access.caller, scratchDirectory: '/var/tmp', pinned: [0, 1, 1, 4]};
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
        jobFromDocument(await parseDocument({text, file, kind: 'job'}), {file, callerDirectory: CALLER_DIRECTORY}),
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
