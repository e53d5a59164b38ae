/** Attacks of a payload, or of a service of a small machine, on its wrapper, its node and its neighbours: one job for each. */

import {spawn} from 'node:child_process';
import {chmodSync, chownSync, closeSync, mkdirSync, copyFileSync, existsSync, openSync, readFileSync, writeFileSync} from 'node:fs';
import {basename, join} from 'node:path';
import {expect} from 'chai';
import type {JobDocument} from '../../src/schema/generated/job-1.js';
import type {UsageRecord} from '../../src/record/record.js';
import {describeSite} from '../support/describe-site.js';
import {BUSYBOX, busyboxImage} from '../support/machine.js';
import {SUPERVISORS} from '../support/name-service.js';
import {LONG, need} from '../support/need.js';
import {patience} from '../support/pace.js';
import {processes, program, ROLES, send, type Role} from '../support/tare.js';
import {attacksOf, isBuilt, verdictsOf, waysOf, type Attack, type Verdict, type Way} from './attack.js';
import {contentOf, evilImage} from './images.js';
import {complaints, knownOf} from './known.js';
import {endingWithin, execAgain, listen, mayListen} from './node-side.js';

const LIMITS = {memory: '256MiB', processes: 100, wallTime: '60s'};
/** An attack says how long it takes on a machine that is not emulated. */
const limitsOf = ({limits = {}}: Attack): typeof limits => {
  const {wallTime, ...others} = {...LIMITS, ...limits};
  return {...others, wallTime: `${patience(parseInt(String(wallTime)))}s`};
};
/** Until a wrapper that does not end is killed. */
const SECONDS = 150;

export function payloadAttacks(role: Role): void {
  describeSite('attacks of a payload, %s', {roles: [role], each: true, mayLeave: true, timeout: patience(SECONDS + 60) * 1000}, (site) => {
    before(function () {
      need(this, ROLES.includes(role), 'it takes root');
      need(this, isBuilt(), 'test/attacks is not built: node scripts/build.mjs attacks');
    });

    // only root listens in /run
    for (const [index, attack] of attacksOf('payload').entries()) {
      if (attack.listen === true && !mayListen()) continue;
      for (const {way, kind} of casesOf(attack, index).filter((one) => one.way.role === role)) {
        it(`${attack.name}${kind === null ? '' : ` (${kind})`}, ${way.pattern}, ${way.supervisor}: ${attack.attack}`, async function () {
          need(this, existsSync(join(SUPERVISORS[way.supervisor], 'tare')), `${SUPERVISORS[way.supervisor]} is not built`);
          if (way.pattern === 'vm-lite' || kind !== null) {
            need(this, program('crun') !== null || program('runc') !== null, 'neither crun nor runc is installed');
            need(this, existsSync(BUSYBOX), 'busybox-static is not installed');
          }
          const {verdicts, said} = await run(attack, way, kind);
          const wrong = complaints(attack.name, way, verdicts);
          expect(wrong, `${said}\n${verdicts.map(({word, what}) => `${word} ${what}`).join('\n')}`).to.deep.equal([]);
        });
      }
    }

    async function run(attack: Attack, way: Way, kind: string | null): Promise<{verdicts: Verdict[]; said: string}> {
      const listeners = attack.listen === true ? await listen() : null;
      const opened = attack.open === true ? ['/', site.directory].map((path) => openSync(path, 'r')) : [];
      try {
        const environment = {
          ATTACK_LINGER: String(patience(knownOf(attack.name, way).length > 0 ? 3 : 20)),
          [SITE]: site.directory,
          ...listeners?.environment,
        };
        const policy = site.policy({images: [`${site.directory}/*`], services: {within: `${patience(60)}s`}, network: ['host', 'none']});
        const victim = join(site.directory, 'victim');
        mkdirSync(victim);
        const image = kind === null ? null : evilImage(join(site.directory, 'image'), kind, {victim, work: site.work});
        if (site.credentials.uid !== undefined) chownSync(victim, site.credentials.uid, site.credentials.uid);
        const recordFile = join(site.directory, 'spool/copy.json');
        const argv = ['run', '--policy', policy, '--record', recordFile, site.job(documentOf(attack, way, {environment, image}))];
        const child = spawn(join(SUPERVISORS[way.supervisor], 'tare'), argv, {
          cwd: site.work,
          stdio: ['ignore', 'pipe', 'pipe', ...opened],
          ...site.credentials,
        });
        const meanwhile =
          attack.exec === undefined
            ? Promise.resolve(0)
            : execAgain(join(SUPERVISORS[way.supervisor], 'tare'), {
                times: attack.exec,
                policy,
                child,
                options: {...site.credentials, cwd: site.work},
              }).then((count) => {
                writeFileSync(join(site.work, 'done'), '');
                return count;
              });
        const {ended, stdout, stderr} = await endingWithin(child, patience(SECONDS));
        const execs = await meanwhile;
        const record = existsSync(recordFile) ? (JSON.parse(readFileSync(recordFile, 'utf8')) as UsageRecord) : null;
        const own = verdictsOf(stdout);
        if (kind !== null)
          own.push({
            word: contentOf(victim) === '' ? 'HELD' : 'SURVIVED',
            what: `what the image leads to on the node: ${contentOf(victim)}`,
          });
        if (attack.exec !== undefined) own.push({word: 'INFO', what: `${execs} commands were run in the box`});
        const verdicts = [...own, ...classify(attack, {own, ended, record, bytes: stdout.length, directory: site.directory})];
        return {verdicts, said: `${JSON.stringify(record?.outcome)}\n${stdout.slice(-3000)}\n${stderr.slice(-3000)}`};
      } finally {
        opened.forEach((fd) => closeSync(fd));
        listeners?.close();
      }
    }

    /** The job: the attack lies in its work directory, which every box shows. */
    function documentOf(
      attack: Attack,
      {pattern}: Way,
      {environment, image: evil}: {environment: Record<string, string>; image: string | null},
    ): Omit<JobDocument, 'schema'> {
      const place = join(site.work, basename(attack.file));
      copyFileSync(attack.file, place);
      chmodSync(place, 0o755);
      const command = attack.file.endsWith('.sh') ? ['/bin/sh', place] : [place];
      const common = {pattern, limits: limitsOf(attack), workDirectory: site.work};
      const network = attack.network ?? 'host';
      if (pattern === 'ulimit++') return {...common, network, command, environment, ...(evil === null ? {} : {image: evil})};
      if (pattern === 'quotas++') {
        const applications = [
          {name: 'evil', command, environment},
          {name: 'other', command: ['/bin/sleep', '1']},
        ];
        return {...common, network, applications};
      }
      const image = evil ?? busyboxImage(join(site.directory, 'image'));
      if (evil === null) writeFileSync(join(image, 'etc/tare-attack-image'), '');
      if (attack.as !== 'service')
        return {
          ...common,
          image,
          services: [{name: 'svc', command: ['/bin/sleep', '1000']}],
          identity: {address: network},
          command,
          environment,
        };
      // a service does not see the work directory
      copyFileSync(place, join(image, 'bin/attack'));
      const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
      const service = `${variables.join(' ')} /bin/attack >/tmp/said 2>&1; touch /tmp/done; sleep 1000`;
      const payload = 'while ! [ -e /tmp/done ]; do [ ! -e done ] || touch /tmp/stop; sleep 0.1; done; cat /tmp/said';
      const sh = (script: string): string[] => ['/bin/sh', '-c', script];
      return {...common, image, services: [{name: 'svc', command: sh(service)}], identity: {address: network}, command: sh(payload)};
    }
  });
}

/** In which ways an attack is run, and in which images. */
function casesOf(attack: Attack, index: number): {way: Way; kind: string | null}[] {
  if (attack.images === undefined) return waysOf(attack, index, LONG).map((way) => ({way, kind: null}));
  return attack.images.flatMap((kind, more) => waysOf({...attack, slow: true}, index + more, LONG).map((way) => ({way, kind})));
}

/** What is judged of every attack, and what its head says. */
function classify(
  {name, stopped, ends, gone, cores, output}: Attack,
  {
    own,
    ended,
    record,
    bytes,
    directory,
  }: {own: readonly Verdict[]; ended: boolean; record: UsageRecord | null; bytes: number; directory: string},
): Verdict[] {
  const say = (got: boolean, what: string): Verdict => ({word: got ? 'SURVIVED' : 'HELD', what});
  if (!ended) return [say(true, 'the wrapper did not end, and was killed')];
  if (record === null) return [say(true, 'no record')];
  const {status, limit, reason} = record.outcome;
  const spoke = own.some(({word}) => word !== 'INFO');
  return [
    say(
      record.state !== 'final' || status === 'wrapper-failure' || status === 'lost',
      `the record says ${status}${reason === null ? '' : `: ${reason}`}`,
    ),
    say(record.flags.includes('left-behind'), 'something was left behind'),
    ...(stopped !== undefined && !spoke ? [say(limit !== stopped, `ended as ${status}, limit ${String(limit)}`)] : []),
    ...(ends === 'itself' ? [say(limit !== null, `the job ends with its payload, not at the limit on ${String(limit)}`)] : []),
    ...(gone === undefined ? [] : [say(outlive(gone, directory), `processes of ${name} outlive the box`)]),
    ...(output === undefined ? [] : [say(bytes < output, `${bytes} of ${output} bytes came out`)]),
    ...(cores === undefined ? [] : [say(coresOf(record) > cores * 1.25, `used ${coresOf(record).toFixed(2)} cores of ${cores}`)]),
  ];
}

const coresOf = ({usage, time}: UsageRecord): number => ((usage.cpuUserUs ?? 0) + (usage.cpuSystemUs ?? 0)) / (time.wallUs ?? 1);

/** The variable by which processes of one attack are told from those of another that is tried at the same time. */
const SITE = 'ATTACK_SITE';

const isOf = (pid: number, directory: string): boolean => {
  try {
    return readFileSync(`/proc/${String(pid)}/environ`, 'utf8')
      .split('\0')
      .includes(`${SITE}=${directory}`);
  } catch {
    return false;
  }
};

/** Those that do are ended. */
function outlive(name: string, directory: string): boolean {
  const left = processes().filter(({pid, argv, state}) => argv[0] === name && state !== 'Z' && isOf(pid, directory));
  for (const {pid} of left) send(pid, 'SIGKILL');
  return left.length > 0;
}
