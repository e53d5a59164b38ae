/**
 * Attacks of the classes of holes that sandboxes had, on the engines that are installed here, by what they do and not by their version: real
 * boxes, with the site's policy, whose payload is `tare-attacks` (native/attacks). All that is made lies in one directory, which is removed;
 * links of evil images lead into it, and what opens for writing is not written to.
 */

import {readlinkSync, statSync} from 'node:fs';
import {briefly, EXIT, TareError} from '../errors.js';
import type {Facts} from '../host/facts.js';
import {start} from '../host/spawn.js';
import type {Policy} from '../policy/policy.js';
import {ATTACKS, NATIVE} from '../process/native.js';
import {AttackPlace, EVIL, type Evil} from './attack-place.js';

/** `none`: no box. */
type AttackedEngine = 'bubblewrap' | 'crun' | 'runc' | 'none';

export interface TriedAttack {
  /** Of the class. */
  name: string;
  /** Holes of that class, by their numbers. */
  numbers: readonly string[];
  engine: AttackedEngine;
  result: 'held' | 'open' | 'not tried';
  /** What was tried. */
  tried: string;
  /** What got through, or why nothing was tried; null: it is held, and there is no more to say. */
  found: string | null;
}

type Section = 'directories' | 'runtime' | 'program' | 'terminal' | 'sockets';
interface Attack {
  name: string;
  numbers: readonly string[];
  /** In which lines of the payload its answer is; or which image it is made of. */
  by: Section | Evil | 'setuid';
  tried: string;
}

const CLASSES: readonly Attack[] = [
  {
    ...{name: 'leaked directories', numbers: ['CVE-2024-21626'], by: 'directories'},
    tried: 'the payload looks among its descriptors for directories that the caller had open, and goes up from its work directory',
  },
  {
    ...{name: 'the runtime’s descriptors', numbers: ['CVE-2016-9962'], by: 'runtime'},
    tried: 'the payload traces process 1, and in bubblewrap’s box what joins it, reads their memory and takes their descriptors',
  },
  {
    ...{name: 'own program', numbers: ['CVE-2019-5736'], by: 'program'},
    tried: 'what runs in the box opens by /proc/PID/exe, for writing, the programs of the node that are executed there',
  },
  {
    ...{name: 'terminal', numbers: ['CVE-2017-5226'], by: 'terminal'},
    tried: 'the payload types into the terminal that its box was started at (TIOCSTI)',
  },
  {
    ...{name: 'abstract sockets', numbers: ['CVE-2020-15257'], by: 'sockets'},
    tried: 'the payload of a job without a network connects to an abstract socket of the node',
  },
  {
    ...{name: 'devices that are links', numbers: ['CVE-2025-31133', 'CVE-2025-52565'], by: 'devices'},
    tried: 'in the image /dev/null, /dev/console and /dev/pts are links to the node',
  },
  {
    ...{name: 'files of the kernel that are links', numbers: ['CVE-2025-52881'], by: 'kernel'},
    tried: 'in the image /proc and /sys are links to the node, and the payload opens what is to be hidden or read-only there',
  },
  {
    ...{name: 'places that are links', numbers: ['CVE-2026-87766'], by: 'places'},
    tried:
      'in the image /dev, /etc, /run, /tmp and what is above the work directory are links to the node; bubblewrap is also called by itself',
  },
  {
    ...{name: 'setuid engine', numbers: ['CVE-2026-41163'], by: 'setuid'},
    tried: 'an account takes hold of the helper of an engine that has more rights than its caller',
  },
];

/** Whose name a box is found by. */
const NAME = `tare-doctor-${String(process.pid)}`;
/** A box that has not ended by then is killed. */
const DEADLINE_S = 120;
const MOST_BYTES = 64 * 1024;
const MOST_WORDS = 300;
/** Commands that are run in a box whose payload waits for them. */
const JOINS = 3;
const MOST_TRIES = 5;
const SETUID = 0o4000;

interface Heard {
  /** Lines by their section; of an evil image they have none. */
  lines: {section: string; word: string; what: string}[];
  /** Why there is nothing more to be heard. */
  because: string;
}

/** A descriptor, but for its limits and name. */
interface Job {
  workDirectory: string;
  [field: string]: unknown;
}

/** Of one examination. */
interface Site {
  place: AttackPlace;
  policyFile: string | null;
}

export async function tryAttacks(facts: Facts, policy: Policy, policyFile: string | null): Promise<TriedAttack[]> {
  const oci = facts.system?.oci ?? null;
  const machine = oci?.name ?? 'crun';
  const engines = ['bubblewrap', machine, 'none'] as const;
  let place: AttackPlace | null = null;
  try {
    place = new AttackPlace();
    const site = {place, policyFile};
    const {patterns} = policy;
    const [boxed, machined, bare] = await Promise.all([
      facts.bubblewrap.path === null ? `there is no bubblewrap (${facts.bubblewrap.how})` : tryBoxes(site, facts.bubblewrap.path),
      oci?.path == null
        ? `there is no OCI runtime${oci === null ? '' : ` (${oci.how})`}`
        : patterns.value.includes('vm-lite')
          ? tryMachines(site, oci.path)
          : `the policy allows no small machines (${patterns.provenance.at})`,
      isAlwaysBoxed(policy) ? `the policy runs no job without a box (${policy.box.provenance.at})` : tryBare(site),
    ]);
    const found = {bubblewrap: boxed, [machine]: machined, none: bare} as Record<AttackedEngine, Found | string>;
    return CLASSES.flatMap((attack) => engines.map((engine) => row(attack, engine, answer(attack, engine, found[engine]))));
  } catch (error) {
    return CLASSES.flatMap((attack) => engines.map((engine) => row(attack, engine, notTried((error as Error).message))));
  } finally {
    place?.remove();
  }
}

const isAlwaysBoxed = ({box, mode}: Policy): boolean => box.value === 'required' && mode.value === 'enforce';

type Answer = Pick<TriedAttack, 'result' | 'found'>;

const row = ({name, numbers, tried}: Attack, engine: AttackedEngine, answered: Answer): TriedAttack => ({
  ...{name, numbers, engine, tried},
  ...answered,
});

/** `made`: on the node, where a link of the image leads. */
interface OfImage extends Heard {
  made: string[];
}

/** What was heard from inside of a box, and of each evil image. */
interface Found {
  heard: Heard;
  evil: Partial<Record<Evil, OfImage>>;
  setuid: Answer;
}

const notTried = (found: string): Answer => ({result: 'not tried', found});

function answer({by}: Attack, engine: AttackedEngine, found: Found | string | undefined): Answer {
  if (typeof found === 'string' || found === undefined) return notTried(found ?? 'it is not there');
  if (engine === 'none' && by !== 'terminal') return notTried('without a box a payload reaches all that its account reaches');
  if (by === 'setuid') return found.setuid;
  if (by === 'devices' || by === 'kernel' || by === 'places') return ofImage(found.evil[by], Object.values(found.evil));
  const {heard} = found;
  const lines = heard.lines.filter(({section}) => section === by);
  // what is typed is seen from outside, also when nobody has typed
  if (by === 'terminal' && !lines.some(({word}) => word === 'INFO')) return notTried(heard.because);
  return ofLines(lines) ?? notTried(lines.find(({word}) => word === 'INFO')?.what ?? heard.because);
}

/** Before the words of an attack that could try nothing, which for the suite is a fault. */
const IN_VAIN = 'nothing: ';

function ofLines(lines: Heard['lines']): Answer | null {
  const through = lines.filter(({word}) => word === 'SURVIVED').map(({what}) => what);
  const real = through.filter((what) => !what.startsWith(IN_VAIN));
  if (real.length > 0) return {result: 'open', found: real.join('; ').slice(0, MOST_WORDS)};
  const [vain] = through;
  if (vain !== undefined) return notTried(vain.slice(IN_VAIN.length));
  return lines.some(({word}) => word === 'HELD') ? {result: 'held', found: null} : null;
}

function ofImage(heard: OfImage | undefined, all: readonly Heard[]): Answer {
  if (heard === undefined) return notTried('it runs no images');
  if (heard.made.length > 0)
    return {result: 'open', found: `what was made or changed on the node: ${heard.made.join(', ')}`.slice(0, MOST_WORDS)};
  const said = ofLines(heard.lines);
  if (said !== null) return said;
  // a box that runs no image at all holds nothing
  return all.some(({lines}) => lines.length > 0) ? {result: 'held', found: `it is refused: ${heard.because}`} : notTried(heard.because);
}

/** bubblewrap: a box that shows the node, and one of each evil image. */
async function tryBoxes(site: Site, engine: string): Promise<Found> {
  const pattern = 'ulimit++';
  const {work, program} = site.place.work('box');
  const [heard, evil, alone] = await Promise.all([
    fromOutside(site, 'box', {pattern, network: 'none', workDirectory: work, command: [program, 'box']}, true),
    tryImages(site, 'box-', (image, place) => ({pattern, network: 'none', image, workDirectory: place, command: ['/bin/attacks', 'look']})),
    madeAlone(site, engine),
  ]);
  if (evil.places !== undefined) evil.places.made.push(...alone);
  return {heard, evil, setuid: await trySetuid(engine)};
}

/** By bubblewrap without Tare, which leads it through no link: what it makes on the node where a link in the root of its box leads. */
async function madeAlone(site: Site, engine: string): Promise<string[]> {
  const {image, made} = site.place.evilRoot('alone');
  await ended(engine, ['--unshare-user', '--unshare-pid', '--bind', image, '/', '--dir', '/link/made', '--', '/nothing'], '/');
  return made().map((line) => `${line}, by bubblewrap itself`);
}

/** The OCI runtime: a small machine one of whose services attacks it, and one of each evil image. */
async function tryMachines(site: Site, engine: string): Promise<Found> {
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
  return {heard, evil, setuid: hasSetuid(engine) ? notTried('only how bubblewrap is called so is known') : unprivileged(engine)};
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

function runArgv({place, policyFile}: Site, name: string, job: object, more: readonly string[] = []): string[] {
  const file = place.file(`${name}.json`, JSON.stringify({schema: 'tare/job/v1', name: `${NAME}-${name}`, limits: LIMITS, ...job}));
  const policy = policyFile === null ? [] : ['--policy', policyFile];
  return ['run', '--probe', '--attacks', place.directory, ...more, '--progress', 'never', ...policy, file];
}

/** At a terminal, with directories open and a socket that listens; meanwhile commands are run in the box. */
async function fromOutside(site: Site, kind: string, job: Job, joins: boolean): Promise<Heard> {
  const name = `${NAME}-${kind}`;
  const environment = {ATTACK_ABSTRACT: name, ATTACK_PIDS: readlinkSync('/proc/self/ns/pid')};
  const argv = runArgv(site, kind, {environment, ...job}, joins ? [] : ['--bare']);
  return listenTo(ATTACKS, ['outside', String(DEADLINE_S), name, NATIVE, ...argv], job.workDirectory, async () => {
    try {
      await joinBox(site, name);
    } finally {
      site.place.file(`${kind}/done`, '');
    }
  });
}

/** Whoever enters a box is what is attacked there. */
async function joinBox({policyFile}: Site, name: string): Promise<void> {
  const policy = policyFile === null ? [] : ['--policy', policyFile];
  const listed = await ended(NATIVE, ['ps', '--json', ...policy], '/');
  const boxes = JSON.parse(listed.stdout || '[]') as {id: string; name: string | null}[];
  const id = boxes.find((box) => box.name === name)?.id;
  // the payload may have spoken before all of the wrapper knows that it runs
  for (let [tries, joined] = [0, 0]; id !== undefined && joined < JOINS && tries < MOST_TRIES; tries++)
    if ((await ended(NATIVE, ['exec', ...policy, id, '--', '/bin/true'], '/')).code !== EXIT.failure) joined++;
}

/** @param ready is called once the payload waits for somebody to come in */
async function listenTo(program: string, argv: readonly string[], cwd: string, ready?: () => Promise<void>): Promise<Heard> {
  const joining: Promise<void>[] = [];
  const {stdout, stderr} = await ended(program, argv, cwd, (text) => {
    // what cannot be entered is not attacked that way, and the payload says so
    if (ready !== undefined && joining.length === 0 && /^READY\r?$/m.test(text)) joining.push(ready().catch(() => undefined));
  });
  await Promise.all(joining);
  const lines = linesOf(stdout);
  const prevented = lines.find(({section, word}) => section === '' && word === 'INFO')?.what;
  return {lines, because: becauseOf(stdout) ?? prevented ?? words(stderr) ?? 'the payload said nothing'};
}

function linesOf(text: string): Heard['lines'] {
  let section = '';
  const lines: Heard['lines'] = [];
  for (const line of text.split(/\r?\n/)) {
    const [, begun] = /^== (\w+)$/.exec(line) ?? [];
    section = begun ?? section;
    const [, word, what] = /^(HELD|SURVIVED|INFO) (.*)$/.exec(line) ?? [];
    if (word !== undefined && what !== undefined) lines.push({section, word, what: words(what) ?? ''});
  }
  return lines;
}

/** As `tare run --probe` says it. */
function becauseOf(text: string): string | null {
  const line = text.split(/\r?\n/).find((one) => one.startsWith('{"healthy":'));
  if (line === undefined) return null;
  try {
    return words((JSON.parse(line) as {because?: unknown}).because);
  } catch {
    return null;
  }
}

/** null: nothing. */
const words = (text: unknown): string | null => briefly(text, MOST_WORDS) || null;

/** A program to its end, with nothing of the caller's environment. */
function ended(
  program: string,
  argv: readonly string[],
  cwd: string,
  hear: (text: string) => void = () => undefined,
): Promise<{code: number | null; stdout: string; stderr: string}> {
  return new Promise((resolve, reject) => {
    const child = start(program, argv, {cwd, env: {PATH: '/usr/bin:/bin'}, stdio: ['ignore', 'pipe', 'pipe']});
    let [stdout, stderr] = ['', ''];
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      if (stdout.length < MOST_BYTES) stdout += text;
      hear(stdout);
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (stderr.length < MOST_BYTES) stderr += text;
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), (DEADLINE_S + 10) * 1000);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new TareError('NOT_BUILT', {message: `it cannot be started: ${error.message}`, where: program}));
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({code, stdout, stderr});
    });
  });
}

const hasSetuid = (program: string): boolean => (statSync(program).mode & SETUID) !== 0;

const unprivileged = (program: string): Answer => ({result: 'held', found: `${program} has no more rights than who calls it`});

/** With its bit an engine's helper does for its caller what only root may: who takes hold of it gives orders to root. */
async function trySetuid(bubblewrap: string): Promise<Answer> {
  if (!hasSetuid(bubblewrap)) return unprivileged(bubblewrap);
  const {lines, because} = await listenTo(ATTACKS, ['steer', bubblewrap], '/');
  return ofLines(lines) ?? notTried(because);
}
