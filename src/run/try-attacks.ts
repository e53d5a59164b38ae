/**
 * Attacks of the classes of holes that sandboxes had, on the engines that are installed here, by what they do and not by their version: real
 * boxes, with the site's policy, whose payload is `tare-attacks` (native/attacks). All that is made lies in one directory, which is removed;
 * links of evil images lead into it, and what opens for writing is not written to.
 */

import {readlinkSync, statSync} from 'node:fs';
import {EXIT} from '../errors.js';
import {policyWords} from '../files/documents.js';
import {chooseEngine, namesOf, runsPattern} from '../plan/engine.js';
import type {Engine} from '@tare/contract';
import type {Policy} from '../policy/policy.js';
import {ATTACKS, NATIVE} from '../process/native.js';
import {answer, notTried, ofLines, row, type Answer, type Found, type Heard} from './attack-answers.js';
import {CLASSES, type AttackedEngine, type TriedAttack} from './attack-classes.js';
import type {Examined} from './examine.js';
import {DEADLINE_S, ended, listenTo} from './attack-listen.js';
import {AttackPlace, EVIL} from './attack-place.js';

/** Whose name a box is found by. */
const NAME = `tare-doctor-${String(process.pid)}`;
/** Commands that are run, at least, in a box whose payload waits for them. */
const JOINS = 3;
/** On a busy node a command is gone before the payload sees it. */
const MOST_TRIES = 50;
/** What a payload says once it has seen one come (test/attacks/payload/exec-race.c). */
const CAME = /^INFO a process came/m;
const SETUID = 0o4000;

/** A descriptor, but for its limits and name. */
interface Job {
  workDirectory: string;
  [field: string]: unknown;
}

/** The directory and the policy file of one examination. */
interface Site {
  place: AttackPlace;
  policyFile: string | null;
  /** Builds the boxes; absent: there are none. */
  engine?: string;
}

/** An engine of the policy and its program on this node; null: why it is not taken is in `how`. */
export interface TriedEngine {
  engine: Engine;
  path: string | null;
  how: string;
}

/**
 * Engines that a job with a pattern can have here, under the policy or one of its rules, in their order; where there is none, the first that
 * could run the pattern, and why it cannot.
 */
export function triedFor(
  pattern: 'ulimit++' | 'vm-lite',
  {facts, policy, engines}: Pick<Examined, 'facts' | 'policy' | 'engines'>,
): TriedEngine[] {
  const lists = [policy, ...policy.rules.flatMap(({set}) => (set.engines === undefined ? [] : [{engines: set.engines}]))];
  const network = pattern === 'vm-lite' ? 'host' : 'none';
  const able = lists.flatMap((list) =>
    namesOf(list, engines).flatMap((name): TriedEngine[] => {
      const engine = engines.find((one) => one.name === name);
      if (engine === undefined || !runsPattern(engine, pattern, list)) return [];
      const choice = chooseEngine({facts, policy: list, engines, only: name}, {pattern, network, userProgram: false});
      return [typeof choice === 'string' ? {engine, path: null, how: choice} : {engine, path: choice.facts.path, how: choice.because}];
    }),
  );
  const here = able.filter(({path}) => path !== null);
  const each = [...new Map(here.map((one) => [one.engine.name, one] as const)).values()];
  return each.length > 0 ? each : able.slice(0, 1);
}

const absent = (tried: TriedEngine | undefined): string => (tried === undefined ? 'the policy lists no engine for it' : tried.how);

/** Tries each attack on each engine of the node. @returns a row for each pair; one that could not be tried says why */
export async function tryAttacks(examined: Examined, policyFile: string | null): Promise<TriedAttack[]> {
  const {policy} = examined;
  const boxes = triedFor('ulimit++', examined);
  const [machine] = triedFor('vm-lite', examined);
  const boxed = boxes.length === 0 ? ['no engine'] : boxes.map(({engine}) => engine.name);
  const machineName = machine?.engine.name ?? 'no engine for small machines';
  const machines = boxed.includes(machineName) ? `${machineName}, small machine` : machineName;
  let place: AttackPlace | null = null;
  try {
    place = new AttackPlace();
    const site = {place, policyFile};
    const {patterns} = policy;
    const found = await Promise.all([
      ...boxed.map((name, index) => {
        const tried = boxes[index];
        return heardOf(name, tried?.path == null ? absent(tried) : tryBoxes(site, tried.engine, tried.path));
      }),
      heardOf(
        machines,
        machine?.path == null
          ? absent(machine)
          : patterns.value.includes('vm-lite')
            ? tryMachines(site, machine.engine, machine.path)
            : `the policy allows no small machines (${patterns.provenance.at})`,
      ),
      heardOf('none', isAlwaysBoxed(policy) ? `the policy runs no job without a box (${policy.box.provenance.at})` : tryBare(site)),
    ]);
    return CLASSES.flatMap((attack) => found.map(([engine, heard]) => row(attack, engine, answer(attack, engine, heard))));
  } catch (error) {
    return CLASSES.flatMap((attack) =>
      [...boxed, machines, 'none'].map((engine) => row(attack, engine, notTried((error as Error).message))),
    );
  } finally {
    place?.remove();
  }
}

const heardOf = async (engine: AttackedEngine, heard: string | Promise<Found>): Promise<readonly [AttackedEngine, Found | string]> => [
  engine,
  await heard,
];

const isAlwaysBoxed = ({box, mode}: Policy): boolean => box.value === 'required' && mode.value === 'enforce';

/** A box that shows the node, and one of each evil image. */
async function tryBoxes(site: Site, engine: Engine, program: string): Promise<Found> {
  const pattern = 'ulimit++';
  const kind = `box-${engine.name}`;
  const by = {...site, engine: engine.name};
  const {work, program: attacks} = site.place.work(kind);
  const [heard, evil, alone] = await Promise.all([
    fromOutside(by, kind, {pattern, network: 'none', workDirectory: work, command: [attacks, 'box']}, true),
    tryImages(by, `${kind}-`, (image, place) => ({
      pattern,
      network: 'none',
      image,
      workDirectory: place,
      command: ['/bin/attacks', 'look'],
    })),
    madeAlone(site, engine, program),
  ]);
  if (evil.places !== undefined) evil.places.made.push(...alone);
  return {heard, evil, setuid: await trySetuid(engine, program)};
}

/** What the engine without Tare makes on the node, where a link in the root of its box leads. Tare gives it no path through a link. */
async function madeAlone(site: Site, {name, words}: Engine, program: string): Promise<string[]> {
  if (words.alone === undefined) return [];
  const {image, made} = site.place.evilRoot(`alone-${name}`);
  await ended(program, words.alone(image, '/link/made'), '/');
  return made().map((line) => `${line}, by ${name} itself`);
}

/** A small machine one of whose services attacks it, and one of each evil image. */
async function tryMachines(around: Site, {name}: Engine, program: string): Promise<Found> {
  const site = {...around, engine: name};
  const common = {pattern: 'vm-lite', identity: {address: 'none'}};
  const image = site.place.image('machine-image');
  const services = [{name: 'evil', command: ['/bin/attacks', 'service']}];
  const {work} = site.place.work('machine');
  const [heard, evil] = await Promise.all([
    fromOutside(site, 'machine', {...common, image, services, workDirectory: work, command: ['/bin/attacks', 'machine']}, true),
    tryImages(site, 'machine-', (evilImage, place) => ({
      ...common,
      image: evilImage,
      workDirectory: place,
      command: ['/bin/attacks', 'look'],
    })),
  ]);
  return {heard, evil, setuid: hasSetuid(program) ? notTried(UNKNOWN) : unprivileged(program)};
}

async function tryBare(site: Site): Promise<Found> {
  const {work, program} = site.place.work('bare');
  const heard = await fromOutside(site, 'bare', {pattern: 'ulimit++', workDirectory: work, command: [program, 'bare']}, false);
  return {heard, evil: {}, setuid: notTried('there is no engine')};
}

async function tryImages(site: Site, prefix: string, job: (image: string, work: string) => Job): Promise<Found['evil']> {
  const all = EVIL.map(async (kind) => {
    const name = `${prefix}${kind}`;
    const {work} = site.place.work(name);
    const {image, made} = site.place.evilImage(`${name}-image`, kind, work);
    const heard = await listenTo(NATIVE, runArgv(site, name, job(image, work)), work);
    return [kind, {...heard, made: made()}] as const;
  });
  return Object.fromEntries(await Promise.all(all));
}

const LIMITS = {memory: '256MiB', processes: 100, wallTime: `${String(DEADLINE_S)}s`};

function runArgv({place, policyFile, engine}: Site, name: string, job: object, more: readonly string[] = []): string[] {
  const file = place.file(`${name}.json`, JSON.stringify({schema: 'tare/job/v1', name: `${NAME}-${name}`, limits: LIMITS, ...job}));
  const policy = policyWords(policyFile);
  const by = engine === undefined ? [] : ['--engine', engine];
  return ['run', '--probe', '--attacks', place.directory, ...by, ...more, '--progress', 'never', ...policy, file];
}

/** At a terminal, with directories open and a socket that listens; meanwhile commands are run in the box. */
async function fromOutside(site: Site, kind: string, job: Job, joins: boolean): Promise<Heard> {
  const name = `${NAME}-${kind}`;
  const environment = {ATTACK_ABSTRACT: name, ATTACK_PIDS: readlinkSync('/proc/self/ns/pid')};
  const argv = runArgv(site, kind, {environment, ...job}, joins ? [] : ['--bare']);
  return listenTo(ATTACKS, ['outside', String(DEADLINE_S), name, NATIVE, ...argv], job.workDirectory, async (said) => {
    try {
      await joinBox(site, name, () => job.pattern === 'vm-lite' || CAME.test(said()));
    } finally {
      site.place.file(`${kind}/done`, '');
    }
  });
}

/** Enters the box by `tare exec`, until its payload has seen a process that it can attack. */
async function joinBox({policyFile}: Site, name: string, came: () => boolean): Promise<void> {
  const policy = policyWords(policyFile);
  const listed = await ended(NATIVE, ['ps', '--json', ...policy], '/');
  const boxes = JSON.parse(listed.stdout || '[]') as {id: string; name: string | null}[];
  const id = boxes.find((box) => box.name === name)?.id;
  // the payload may have spoken before all of the wrapper knows that it runs
  for (let [tries, joined] = [0, 0]; id !== undefined && (joined < JOINS || !came()) && tries < MOST_TRIES; tries++)
    if ((await ended(NATIVE, ['exec', ...policy, id, '--', '/bin/true'], '/')).code !== EXIT.failure) joined++;
}

const UNKNOWN = 'how this engine is called by itself is not known';
const hasSetuid = (program: string): boolean => (statSync(program).mode & SETUID) !== 0;

const unprivileged = (program: string): Answer => ({result: 'held', found: `${program} has no more rights than who calls it`});

/** A setuid engine has a helper with root's rights that acts for the caller: a process that takes hold of it gives orders to root. */
async function trySetuid({words}: Engine, program: string): Promise<Answer> {
  if (!hasSetuid(program)) return unprivileged(program);
  if (words.alone === undefined) return notTried(UNKNOWN);
  const {lines, because} = await listenTo(ATTACKS, ['steer', program], '/');
  return ofLines(lines) ?? notTried(because);
}
