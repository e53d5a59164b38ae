/**
 * SIGKILL at random to parts of many wrappers, with sweeps that are killed too, and a spool that is full: each attempt whose payload
 * executed has exactly one closed record, none other claims usage, nothing is left. TARE_FAULTS says how many; 1000 take some minutes.
 */
import {expect} from 'chai';
import {execFileSync} from 'node:child_process';
import {existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {UsageRecord} from '../../../src/record/record.js';
import {describeSite} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {below, ending, isRoot, send, type Site} from '../../support/tare.js';

const FAULTS = Number(process.env.TARE_FAULTS ?? 24);
const AT_ONCE = 4;
const KINDS = ['shim', 'supervisor', 'one of all', 'all', 'all', 'supervisor twice', 'sweep'] as const;

for (const full of [false, true]) {
  const title = `${String(FAULTS)} random kills, %s${full ? ', the spool full' : ''}`;
  describeSite(title, {mayLeave: true, timeout: patience(60_000 + FAULTS * 1500)}, (site) => {
    let first: string;
    before(function () {
      need(this, isRoot || !full, 'only root can mount a small file system');
      first = join(site.directory, full ? 'full' : 'spool');
      if (!full) return;
      mkdirSync(first);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=1777', 'tare-test', first]);
      try {
        writeFileSync(join(first, 'filler'), Buffer.alloc(1024 * 1024));
      } catch {
        // full
      }
    });
    after(() => {
      if (full) execFileSync('umount', [first]);
    });

    it('one record for each attempt that executed, no usage without, nothing left', async () => {
      const random = generator(20261124);
      const inSite = (name: string): string => join(site.directory, name);
      const policy = site.policy({
        directories: {state: inSite('state'), scratch: inSite('scratch'), spool: full ? [first, inSite('spool')] : inSite('spool')},
      });
      // kills are spread over the life of a job, however slow the machine is
      const startMs = Date.now();
      await site.command(['run', '--policy', policy, '--name', 'first', '--', '/bin/sh', '-c', ': > executed-first; sleep 0.3']);
      const lifeMs = Date.now() - startMs;
      let next = 0;
      const work = async (): Promise<void> => {
        while (next < FAULTS) await fault(site, policy, next++, lifeMs * 1.5, random);
      };
      await Promise.all(Array.from({length: AT_ONCE}, work));
      // what was paused or dying may take a moment
      for (let look = 0; look < 40 && site.leftovers().length > 0; look++) {
        age(inSite('state/boxes'));
        await site.command(['records', 'sweep', '--policy', policy]);
        await sleep(100);
      }
      expect(site.leftovers()).to.deep.equal([]);

      const records = [first, inSite('spool')].filter((place, index, all) => all.indexOf(place) === index).flatMap(recordsIn);
      expect(records.filter(({state}) => state === 'started')).to.deep.equal([]);
      const names = records.map(({payload}) => payload.name);
      expect(names.filter((name, index) => names.indexOf(name) !== index)).to.deep.equal([]);
      const executed = readdirSync(site.work)
        .filter((name) => name.startsWith('executed-'))
        .map((name) => name.slice('executed-'.length));
      expect(executed.filter((name) => !names.includes(name))).to.deep.equal([]);
      const claims = records.filter(({time, usage}) => time.startEpochUs === null && Object.values(usage).some(isFigure));
      expect(claims.map(({payload}) => payload.name)).to.deep.equal([]);
      // killed between its exec and its first command: hardly ever
      const silent = records.filter(({time, payload}) => time.startEpochUs !== null && !executed.includes(payload.name ?? ''));
      expect(silent.length).to.be.at.most(1 + FAULTS / 50);
      // the kills must have hit something at all
      const isHit = ({outcome, flags}: UsageRecord): boolean => outcome.status !== 'completed' || flags.includes('supervisor-lost');
      expect(records.filter(isHit).length).to.be.above(0);
      expect(records.filter(({outcome}) => outcome.status === 'completed').length).to.be.above(0);
    });
  });
}

const isFigure = (value: unknown): boolean => typeof value === 'number';

/** A folder that a supervisor was killed over before it had written its state is left alone for a minute: it is over. */
function age(boxes: string): void {
  const before = Date.now() / 1000 - 120;
  for (const name of readdirSync(boxes)) if (!existsSync(join(boxes, name, 'box.json'))) utimesSync(join(boxes, name), before, before);
}

/** One job, and one kill some time in its life. */
async function fault(site: Site, policy: string, number: number, lifeMs: number, random: () => number): Promise<void> {
  const kind = KINDS[Math.floor(random() * KINDS.length)] ?? 'all';
  const delay = random() * lifeMs;
  const script = `: > executed-${String(number)}; sleep 0.3; exit 0`;
  const child = site.start(['run', '--policy', policy, '--name', String(number), '--', '/bin/sh', '-c', script]);
  const end = ending(child);
  await sleep(delay);
  if (kind === 'sweep') {
    const sweep = site.start(['records', 'sweep', '--policy', policy]);
    const swept = ending(sweep);
    await sleep(random() * 400);
    for (const {pid} of below(sweep.pid ?? 0)) send(pid, 'SIGKILL');
    await swept;
  } else {
    for (let kills = kind === 'supervisor twice' ? 2 : 1; kills > 0; kills--) {
      hit(child.pid ?? 0, kind, random);
      await sleep(random() * 100);
    }
  }
  await end;
}

function hit(shim: number, kind: (typeof KINDS)[number], random: () => number): void {
  const family = below(shim);
  const supervisor = family.find(({argv}) => argv.some((argument) => argument.startsWith('@shim=')));
  if (kind === 'shim') send(shim, 'SIGKILL');
  else if (kind === 'all') for (const {pid} of family) send(pid, 'SIGKILL');
  else if (kind === 'one of all') send(family[Math.floor(random() * family.length)]?.pid ?? shim, 'SIGKILL');
  else if (supervisor !== undefined) send(supervisor.pid, 'SIGKILL');
}

function recordsIn(spool: string): UsageRecord[] {
  return readdirSync(spool)
    .filter((name) => name.endsWith('.json') && existsSync(join(spool, name)))
    .map((name) => JSON.parse(readFileSync(join(spool, name), 'utf8')) as UsageRecord);
}

const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** The same numbers each time (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
