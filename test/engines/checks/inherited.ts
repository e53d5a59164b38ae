/** What a process inherits: descriptors, arguments, environment, work directory, masks and limits are as with exec. */

import {spawnSync} from 'node:child_process';
import {chownSync, closeSync, mkdirSync, openSync, statSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {payload} from '../../support/tare.js';
import type {Ran} from '../bench.js';
import type {Check} from '../check.js';

interface Probe {
  argv: string[];
  environment: string[];
  descriptors: Record<string, {type: string}>;
  umask: string;
  cwd: string;
  rlimits: Record<string, {soft: unknown; hard: unknown}>;
  signals_ignored: string;
  signals_blocked: string;
  uid: Record<string, number>;
  gid: Record<string, number>;
  affinity: number[];
  nice: number;
  no_new_privs: string;
  seccomp: string;
  cap_inheritable: string;
  cap_permitted: string;
  cap_effective: string;
  cap_bounding: string;
  cap_ambient: string;
}

/** What the payload program `probe` says. */
export const probed = ({out}: Pick<Ran, 'out'>): Probe => JSON.parse(out.toString()) as Probe;
/** The same without the wrapper, of a process that `caller` has prepared: who runs the tests may have more descriptors open than three. */
export const bare = (options: readonly string[]): Probe =>
  probed({out: spawnSync(payload('caller'), [...options, '--', payload('probe')], {stdio: ['ignore', 'pipe', 'ignore']}).stdout});
const via =
  (...options: string[]) =>
  (argv: readonly string[]): readonly string[] => [payload('caller'), ...options, '--', ...argv];
const text = (hex: string): string => Buffer.from(hex, 'hex').toString('latin1');
/** What every box adds: where its Machine/Job Features are. */
const FEATURES = /^(?:MACHINE|JOB)FEATURES=/;
const environmentOf = (ran: Ran): string[] =>
  probed(ran)
    .environment.map(text)
    .filter((one) => !FEATURES.test(one))
    .sort();

const SIGNAL_OPTIONS = ['--ignore', '1', '--ignore', '40', '--block', '10', '--block', '64'];
const ARGUMENTS = ['a b', '"', "'", 'line\nline', '', '--', '-v', '{init}', '\\', '$HOME', 'é', 'x'.repeat(100_000)];

export const INHERITED: readonly Check[] = [
  {
    name: 'a pipe and a file above 2',
    promise: 'Descriptors that the caller has open beyond standard error are the payload’s, under their numbers.',
    sample: true,
    body: async (bench) => {
      const path = join(bench.site.directory, 'ninth');
      writeFileSync(path, 'ninth\n');
      const file = openSync(path, 'r');
      const live = bench.start({
        script: 'cat <&9 >&7',
        stdio: ['pipe', 'pipe', 'pipe', 'ignore', 'ignore', 'ignore', 'ignore', 'pipe', 'ignore', file],
      });
      closeSync(file);
      let said = '';
      ((live.child.stdio as unknown[])[7] as NodeJS.ReadableStream).on('data', (part: Buffer) => (said += part.toString()));
      const {code, stderr} = await live.ended;
      expect([code, said], stderr).to.deep.equal([0, 'ninth\n']);
    },
  },
  {
    name: 'forty descriptors, and no other',
    promise: 'All that the caller has open is open, and nothing of the wrapper or of the engine.',
    ask: (bench) => ({command: [bench.payload('probe')], via: via('--open', '3', '40')}),
    holds: (ran) => {
      const there = Object.keys(bare(['--open', '3', '40']).descriptors);
      expect(there).to.include.members(Array.from({length: 41}, (_, index) => String(index)));
      expect(Object.keys(probed(ran).descriptors)).to.deep.equal(there);
    },
  },
  {
    name: 'no descriptor but the caller’s',
    promise: 'A payload of a caller with three descriptors has three.',
    ask: (bench) => ({command: [bench.payload('probe')]}),
    holds: (ran) => {
      expect(Object.keys(probed(ran).descriptors)).to.deep.equal(Object.keys(bare([]).descriptors));
    },
  },
  {
    name: 'arguments',
    promise: 'Arguments of a descriptor arrive byte for byte: empty, long, with spaces, quotes, newlines and what looks like an option.',
    ask: (bench) => ({command: [bench.payload('probe'), ...ARGUMENTS]}),
    holds: (ran) => {
      expect(probed(ran).argv.slice(1)).to.deep.equal(ARGUMENTS.map((one) => Buffer.from(one).toString('hex')));
    },
  },
  {
    name: 'arguments that are not UTF-8',
    promise: 'Arguments of a command line have any bytes.',
    patterns: ['ulimit++'],
    ask: (bench) => ({
      via: (argv) => [
        ...['/bin/sh', '-c', 'exec "$@" -- "$PROBE" "$(printf \'\\377\\376\')" "$(printf \'a\\001\')"', 'sh'],
        ...argv.slice(0, -1),
      ],
      env: {PROBE: bench.payload('probe')},
    }),
    holds: (ran) => {
      expect(probed(ran).argv.slice(1)).to.deep.equal(['fffe', '6101']);
    },
  },
  {
    name: 'environment',
    promise: 'The environment is the caller’s, byte for byte, and nothing else but where the features of machine and job are.',
    ask: (bench) => ({
      command: [bench.payload('probe')],
      via: (argv) => ['/bin/sh', '-c', 'exec env -i PATH=/bin EMPTY= "LINES=a\nb" "BYTES=$(printf \'\\377\\376\')" "$@"', 'sh', ...argv],
    }),
    holds: (ran) => {
      expect(environmentOf(ran)).to.deep.equal(['BYTES=\xff\xfe', 'EMPTY=', 'LINES=a\nb', 'PATH=/bin']);
    },
  },
  {
    name: 'environment of the job',
    promise: 'What the job sets is set, what it takes away is away, and the rest stays.',
    ask: (bench) => ({
      command: [bench.payload('probe')],
      env: {GONE: 'x', KEPT: 'k', CHANGED: 'before'},
      environment: {GONE: null, CHANGED: 'after é'},
    }),
    holds: (ran) => {
      const variables = environmentOf(ran).filter((one) => /^(?:GONE|KEPT|CHANGED)=/.test(one));
      expect(variables).to.deep.equal([`CHANGED=${Buffer.from('after é').toString('latin1')}`, 'KEPT=k']);
    },
  },
  {
    name: 'work directory',
    promise: 'The payload starts where the job says, whatever its name, and what it makes there is the account’s on the node.',
    body: async (bench) => {
      const place = join(bench.site.work, 'a wörk  place');
      mkdirSync(place, {recursive: true});
      const {uid, gid} = statSync(bench.site.work);
      chownSync(place, uid, gid);
      const ran = await bench.run({script: 'pwd; echo made >file; mkdir folder', workDirectory: place});
      expect([ran.code, ran.stdout], ran.stderr).to.deep.equal([0, `${place}\n`]);
      expect(['file', 'folder'].map((name) => statSync(join(place, name)).uid)).to.deep.equal([bench.uid, bench.uid]);
    },
  },
  {
    name: 'umask',
    promise: 'The umask is the caller’s.',
    ask: (bench) => ({command: [bench.payload('probe')], via: via('--umask', '0137')}),
    holds: (ran) => {
      expect(probed(ran).umask).to.equal('0137');
    },
  },
  {
    name: 'resource limits of the caller',
    promise: 'Resource limits that the job does not set are the caller’s.',
    ask: (bench) => ({command: [bench.payload('probe')], via: via('--nofile', '64')}),
    holds: (ran) => {
      const [inside, outside] = [probed(ran), bare(['--nofile', '64'])].map(({rlimits: {nofile, fsize, cpu, as}}) => ({
        ...{nofile, fsize, cpu, as},
      }));
      expect(inside).to.deep.equal(outside);
    },
  },
  {
    name: 'ignored and blocked signals',
    promise: 'Signals that the caller ignores or blocks are ignored and blocked.',
    ask: (bench) => ({command: [bench.payload('probe')], via: via(...SIGNAL_OPTIONS)}),
    holds: (ran) => {
      const [inside, outside] = [probed(ran), bare(SIGNAL_OPTIONS)].map(({signals_ignored, signals_blocked}) => ({
        ...{signals_ignored, signals_blocked},
      }));
      expect(inside).to.deep.equal(outside);
    },
  },
  {
    name: 'account',
    promise: 'The payload has its account, in every form of it.',
    ask: (bench) => ({command: [bench.payload('probe')]}),
    holds: (ran, bench) => {
      const {uid} = probed(ran);
      expect(uid).to.deep.equal({real: bench.uid, effective: bench.uid, saved: bench.uid});
      expect(ran.record.user.uid).to.equal(bench.uid);
    },
  },
];
