/**
 * What a job sees of HTCondor, and HTCondor of a job: the same without a wrapper and with it.
 * Jobs that need nothing done to them are all submitted at once, and looked at afterwards.
 */
import {createHash} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {Ad, Description, Job} from '../../support/pool.js';
import {installed, payload, program} from '../../support/tare.js';
import {allowedDifferences, differences} from './ads.js';
import {shell, sleep, started, WAITS} from './jobs.js';
import {need} from '../../support/need.js';
import {poolFor, WITHOUT, WRAPPERS} from './variants.js';

interface Quiet {
  description: Description;
  files?: Record<string, string>;
  /** Of the final ad. */
  ends: Record<string, string>;
  /** Files that come back, but for standard output and error. */
  returned?: string[];
  check?: (job: Job) => void;
}

const known = readFileSync(join(installed(), 'fixtures/payloads/mcsim.sha256'), 'utf8').trim().split(/\s+/)[0];
const exits = (code: number): Record<string, string> => ({ExitBySignal: 'false', ExitCode: String(code)});
const dies = (signal: number): Record<string, string> => ({ExitBySignal: 'true', ExitSignal: String(signal)});

const QUIET: Record<string, Quiet> = {
  'a plain job': {
    description: shell('echo out; echo err >&2'),
    ends: exits(0),
    check: ({output, error}) => {
      expect([output, error]).to.deep.equal(['out\n', 'err\n']);
    },
  },
  'arguments with spaces, quotes and $': {
    description: {executable: payload('probe'), arguments: `"one 'two words' ""quoted"" 'it''s' $(DOLLAR)HOME '' '*'"`},
    ends: exits(0),
    check: ({output}) => {
      const {argv} = JSON.parse(output) as {argv: string[]};
      const texts = argv.slice(1).map((argument) => Buffer.from(argument, 'hex').toString());
      expect(texts).to.deep.equal(['one', 'two words', '"quoted"', "it's", '$HOME', '', '*']);
    },
  },
  'standard input and files': {
    description: {
      ...shell('cat; cat in/a.txt b.txt >out.txt; mkdir made; echo c >made/c.txt; umask; ls -A >listed'),
      input: 'stdin.txt',
      transfer_input_files: 'in, b.txt',
    },
    files: {'stdin.txt': 'from standard input\n', 'in/a.txt': 'a\n', 'b.txt': 'b\n'},
    ends: exits(0),
    returned: ['listed', 'out.txt'],
    check: (job) => {
      expect(job.output).to.equal('from standard input\n0022\n');
      expect(job.read('out.txt')).to.equal('a\nb\n');
    },
  },
  'files that are asked for': {
    description: {...shell('mkdir deep; echo one >deep/one; echo two >two; echo three >three'), transfer_output_files: 'deep, two'},
    ends: exits(0),
    returned: ['deep/one', 'two'],
  },
  'exit code 3': {description: shell('exit 3'), ends: exits(3)},
  'exit code 125, which is the wrapper’s own elsewhere': {description: shell('exit 125'), ends: exits(125)},
  'death by SIGSEGV': {description: {executable: payload('die-by'), arguments: 'SEGV'}, ends: dies(11)},
  'death by SIGKILL': {description: {executable: payload('die-by'), arguments: 'KILL'}, ends: dies(9)},
  'the main job': {
    description: {
      executable: payload('mcsim'),
      arguments: '--events 200 --seed 42 --output HITS',
      request_cpus: 2,
      request_memory: '512MB',
    },
    ends: exits(0),
    returned: ['HITS'],
    check: (job) => {
      expect(job.error).to.contain('workers=2');
      expect(
        createHash('sha256')
          .update(readFileSync(join(job.directory, 'HITS')))
          .digest('hex'),
      ).to.equal(known);
    },
  },
};

/** Ends of its own accord when it is told to. */
const OBEYS = `trap "echo told to end; exit 0" TERM; ${WAITS}`;

/** Final ads without a wrapper, by the job's title. */
const bare = new Map<string, Ad>();

for (const variant of [WITHOUT, ...WRAPPERS]) {
  describe(`HTCondor’s contract, ${variant.name}`, () => {
    const pool = poolFor(variant);

    describe('jobs that are left alone', () => {
      const jobs = new Map<string, Job>();
      before(async () => {
        for (const [name, {description, files}] of Object.entries(QUIET))
          jobs.set(name, await pool().submit(description, {files: files ?? {}}));
      });
      for (const [name, {ends, returned = [], check}] of Object.entries(QUIET)) {
        it(name, async () => {
          const job = jobs.get(name);
          if (job === undefined) throw new Error('not submitted');
          await job.wait('terminated');
          const ad = await job.finalAd();
          expect(Object.fromEntries(Object.keys(ends).map((key) => [key, ad.get(key)]))).to.deep.equal(ends);
          expect([ad.get('JobStatus'), ad.get('NumJobStarts')]).to.deep.equal(['4', '1']);
          expect(job.returned()).to.deep.equal([...returned, 'err.0', 'out.0'].sort());
          check?.(job);
          if (variant === WITHOUT) bare.set(name, ad);
        });
      }

      if (variant !== WITHOUT) {
        it('their final ads differ in nothing but what docs/reference/htcondor-ads.md lists', async function () {
          need(this, bare.size > 0, 'there was no run without a wrapper');
          const table = allowedDifferences();
          const ads = await Promise.all(
            [...jobs].map(async ([name, job]) => ({name, ad: await job.finalAd(), without: bare.get(name) ?? new Map<string, string>()})),
          );
          for (const {name, ad, without} of ads) expect(differences(without, ad, table), name).to.deep.equal([]);
          const known = new Set(ads.flatMap(({ad, without}) => [...ad.keys(), ...without.keys()]));
          const stale = [...table.keys()].filter((name) => !name.endsWith('*') && !known.has(name));
          expect(stale, 'in the table, and in no ad').to.deep.equal([]);
        });
      }
    });

    describe('jobs that something is done to', () => {
      it('condor_rm: told to end, and removed', async () => {
        const job = await started(pool(), {...shell(OBEYS), stream_output: true});
        await job.command('condor_rm');
        await job.wait('aborted');
        expect(job.output).to.equal('told to end\n');
        expect((await job.finalAd()).get('JobStatus')).to.equal('3');
      });

      it('condor_hold: told to end, and on hold; condor_release starts it again', async () => {
        const job = await started(pool(), {...shell(OBEYS), stream_output: true});
        await job.command('condor_hold');
        await job.wait('held');
        expect(job.output).to.equal('told to end\n');
        const ad = await job.heldAd();
        expect([ad.get('JobStatus'), ad.get('HoldReasonCode')]).to.deep.equal(['5', '1']);
        await job.command('condor_release');
        await job.wait('executing', {times: 2});
        await job.command('condor_rm');
        await job.wait('aborted');
        expect((await job.finalAd()).get('NumJobStarts')).to.equal('2');
      });

      it('condor_vacate_job: the checkpoint that is written on SIGTERM is there at the next start', async () => {
        const job = await started(pool(), {
          ...shell(
            'test -f checkpoint && exec cat checkpoint; trap "echo saved >checkpoint; exit 0" TERM; : >ready; while :; do sleep 0.1; done',
          ),
          when_to_transfer_output: 'ON_EXIT_OR_EVICT',
        });
        await job.command('condor_vacate_job');
        await job.wait('evicted');
        await job.wait('terminated');
        expect(job.output).to.equal('saved\n');
        expect((await job.finalAd()).get('NumJobStarts')).to.equal('2');
      });

      it('condor_ssh_to_job: a shell beside the job', async function () {
        need(this, program('sshd') !== null, 'there is no sshd');
        const rights = '{ readlink /proc/self/ns/pid; grep -E "^(NoNewPrivs|Seccomp):" /proc/self/status; }';
        const job = await started(pool(), shell(`${rights} >ready.tmp; mv ready.tmp ready; exec sleep 60`));
        const seen = await job.command('condor_ssh_to_job', ['-auto-retry'], [`${rights}; pwd; id -un; test -e ready && exit 5`]).then(
          () => 'exit 0',
          (error: unknown) => error as {code: number; stdout: string},
        );
        if (typeof seen === 'string') throw new Error('its exit code was lost');
        const payloads = readFileSync(join(job.sandbox() ?? '', 'ready'), 'utf8')
          .trim()
          .split('\n');
        expect([seen.code, seen.stdout.trim().split('\n')]).to.deep.equal([5, [...payloads, job.sandbox(), pool().submitter.name]]);
        await job.command('condor_rm');
        await job.wait('aborted');
      });

      it('a signal of the user’s choice', async () => {
        const job = await started(pool(), {
          ...shell('trap "echo USR1; exit 0" USR1; : >ready; while :; do sleep 0.1; done'),
          stream_output: true,
          remove_kill_sig: 'SIGUSR1',
        });
        await job.command('condor_rm');
        await job.wait('aborted');
        expect(job.output).to.equal('USR1\n');
      });

      it('condor_suspend stops it, condor_continue lets it go on', async () => {
        const job = await started(pool(), {
          ...shell('n=0; while [ $n -lt 60 ]; do n=$((n + 1)); echo $n; [ $n -eq 5 ] && : >ready; sleep 0.1; done'),
          stream_output: true,
        });
        await job.command('condor_suspend');
        await job.wait('suspended');
        await sleep(500); // what is on its way
        const before = job.output;
        await sleep(1500);
        expect(job.output).to.equal(before);
        await job.command('condor_continue');
        await job.wait('unsuspended');
        await job.wait('terminated');
        expect(job.output.trim().split('\n')).to.have.length(60);
        expect((await job.finalAd()).get('ExitCode')).to.equal('0');
      });
    });
  });
}
