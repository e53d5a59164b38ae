/** What the wrapper adds: limits, records, and how it tells HTCondor of both. Policies follow one another on one node. */
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {UsageRecord} from '../../../src/record/record.js';
import type {Ad, Job} from '../../support/pool.js';
import {installed, payload, until} from '../../support/tare.js';
import {pick, shell, sleep, started, WAITS} from './jobs.js';
import {nudged, poolFor, WRAPPERS} from './variants.js';

const MIB = 1024 * 1024;
/** The built-in reserve is 8 % of a small slot. */
const LIMITS = {of256: 236 * MIB, of512: 472 * MIB};
const schedd = readFileSync(join(installed(), 'configs/htcondor/schedd.conf'), 'utf8').split('\n');
const TOO_MUCH = {executable: payload('touch-memory'), arguments: '600 --hold 60', request_memory: '256MB'};

for (const variant of WRAPPERS) {
  describe(`under HTCondor, ${variant.name}`, () => {
    const pool = poolFor(variant, {
      config: [...schedd, 'TARE_COOL_DOWN = 1', 'ApelSpecs = [HEPscore23 = 14.37; HS06 = 3]', 'STARTD_ATTRS = $(STARTD_ATTRS) ApelSpecs'],
    });

    /** The only record of a job's attempt. */
    function recordOf(ad: Ad, attempt = 1): UsageRecord {
      const found = pool()
        .records()
        .filter(({lrms}) => `"${lrms.globalJobId}"` === ad.get('GlobalJobId') && lrms.attempt === attempt);
      const [record] = found;
      expect(found, `records of ${String(ad.get('GlobalJobId'))}`).to.have.length(1);
      if (record === undefined) throw new Error('no record');
      return record;
    }
    const ended = async (job: Job): Promise<{ad: Ad; record: UsageRecord}> => {
      await job.wait('terminated');
      const ad = await job.finalAd();
      return {ad, record: recordOf(ad)};
    };

    it('the phases of a job that makes checkpoints are one record, and condor_history has their sums', async () => {
      const script =
        'n=$(cat n 2>/dev/null || echo 0); n=$((n+1)); echo $n >n; i=0; while [ $i -lt 90000 ]; do i=$((i+1)); done; test $n -gt 2 || exit 85; cat n';
      const job = await pool().submit({...shell(script), checkpoint_exit_code: 85, transfer_checkpoint_files: 'n'});
      const {ad, record} = await ended(job);
      expect(job.output).to.equal('3\n');
      expect([record.state, record.outcome.status, record.phases?.count]).to.deep.equal(['final', 'completed', 3]);
      const {list = []} = record.phases ?? {};
      expect(list.map(({status, exitCode}) => [status, exitCode])).to.deep.equal([
        ['checkpoint', 85],
        ['checkpoint', 85],
        ['completed', 0],
      ]);
      const total = (values: (number | null)[]): number => values.reduce<number>((all, one) => all + (one ?? NaN), 0);
      expect(record.time.wallUs).to.equal(total(list.map(({wallUs}) => wallUs)));
      expect(record.usage.cpuUserUs).to.equal(total(list.map(({cpuUserUs}) => cpuUserUs)));
      for (const {cpuUserUs, wallUs} of list) expect(Math.min(cpuUserUs ?? 0, wallUs ?? 0)).to.be.above(10_000);
      expect(
        pick(ad, 'NumJobStarts', 'ChirpTareAttempt', 'ChirpTarePhases', 'ChirpTareStatus', 'ChirpTareWallUsec', 'ChirpTareCpuUserUsec'),
      ).to.deep.equal({
        NumJobStarts: '1',
        ChirpTareAttempt: '1',
        ChirpTarePhases: '3',
        ChirpTareStatus: '"completed"',
        ChirpTareWallUsec: String(record.time.wallUs),
        ChirpTareCpuUserUsec: String(record.usage.cpuUserUs),
      });
      // the processors' time by HTCondor's own count is of all phases too, with the wrapper's
      expect(Number(ad.get('RemoteUserCpu')) * 1e6 + 1e6).to.be.above(record.usage.cpuUserUs ?? Infinity);
    });

    it('a checkpoint can be told by a signal', async () => {
      const script = `test -f n && exec cat n; echo saved >n; exec ${payload('die-by')} USR2`;
      const job = await pool().submit({
        ...shell(script),
        transfer_checkpoint_files: 'n',
        '+WantFTOnCheckpoint': true,
        '+SuccessCheckpointExitBySignal': true,
        '+SuccessCheckpointExitSignal': 12,
      });
      const {record} = await ended(job);
      expect(record.phases?.list.map(({status, signal}) => [status, signal])).to.deep.equal([
        ['checkpoint', 'SIGUSR2'],
        ['completed', null],
      ]);
    });

    it('a checkpoint at an eviction ends its attempt as stopped', async () => {
      const script = 'test -f n && exec cat n; echo saved >n; trap "exit 85" TERM; : >ready; while :; do sleep 0.1; done';
      const job = await started(pool(), {
        ...shell(script),
        checkpoint_exit_code: 85,
        transfer_checkpoint_files: 'n',
        when_to_transfer_output: 'ON_EXIT_OR_EVICT',
      });
      await job.command('condor_vacate_job');
      await job.wait('evicted');
      await job.wait('terminated');
      const ad = await job.finalAd();
      expect(job.output).to.equal('saved\n');
      const [first, second] = [recordOf(ad, 1), recordOf(ad, 2)];
      expect([first.state, first.outcome.status, first.outcome.exitCode, first.phases]).to.deep.equal(['final', 'stopped', 85, undefined]);
      expect([second.state, second.outcome.status]).to.deep.equal(['final', 'completed']);
    });

    it('limits a job to its slot, and condor_history has the record’s figures', async () => {
      const job = await pool().submit({
        executable: payload('mcsim'),
        arguments: '--events 200 --seed 42 --output HITS',
        request_cpus: 2,
        request_memory: '512MB',
      });
      const {ad, record} = await ended(job);
      expect(record.state).to.equal('final');
      expect(record.lrms).to.deep.include({type: 'htcondor', localJobId: job.id, attempt: 1});
      expect(record.allocation).to.deep.include({cores: 2, memoryLimitBytes: LIMITS.of512});
      expect(record.limits?.memory.provenance).to.deep.equal({source: 'slot', at: '.machine.ad: Memory less reserve 40 MiB'});
      expect(record.benchmarks).to.deep.equal([{name: 'HEPscore23', valuePerCore: 14.37, source: 'machine-ad:ApelSpecs'}]);
      const {usage, time, tare, host} = record;
      const figures: Record<string, number | string | null> = {
        Attempt: 1,
        RecordId: record.recordId,
        Version: host.tareVersion,
        Pattern: 'ulimit++',
        Mode: 'box',
        Status: 'completed',
        WallUsec: time.wallUs,
        SuspendedUsec: time.suspendedUs,
        CpuUserUsec: usage.cpuUserUs,
        CpuSystemUsec: usage.cpuSystemUs,
        LaunchUsec: tare.launchUs,
        Millicores: 2000,
        MemoryLimitBytes: LIMITS.of512,
        MemoryPeakBytes: usage.memPeakBytes,
        AnonPeakBytes: usage.anonPeakBytes,
        ScratchPeakBytes: usage.scratchPeakBytes,
        ReadBytes: usage.ioReadBytes,
        WriteBytes: usage.ioWriteBytes,
        ProcessesPeak: usage.pidsPeak,
      };
      const known = Object.entries(figures).filter(([, value]) => value !== null);
      expect(Object.fromEntries([...ad].filter(([name]) => /^Chirp/i.test(name)))).to.deep.equal(
        Object.fromEntries(known.map(([name, value]) => [`ChirpTare${name}`, JSON.stringify(value)])),
      );
      expect(usage.cpuUserUs).to.be.greaterThan(100_000);
    });

    it('over memory, oom: hold: dies by SIGKILL, and is held with the reason', async () => {
      pool().setPolicy({batch: {oom: 'hold'}});
      const job = await pool().submit(TOO_MUCH);
      const event = await job.wait('held');
      expect(event).to.match(/Tare: .*memory/);
      const ad = await job.heldAd();
      const record = recordOf(ad);
      expect(record.state).to.equal('final');
      expect(record.outcome).to.deep.include({status: 'limit', limit: 'memory', limitScope: 'payload'});
      expect(
        pick(ad, 'JobStatus', 'ExitBySignal', 'ExitSignal', 'ChirpTareHold', 'ChirpTareLimit', 'ChirpTareMemoryLimitBytes'),
      ).to.deep.equal({
        JobStatus: '5',
        ExitBySignal: 'true',
        ExitSignal: '9',
        ChirpTareHold: 'true',
        ChirpTareLimit: '"memory"',
        ChirpTareMemoryLimitBytes: String(LIMITS.of256),
      });
      await job.command('condor_rm');
    });

    it('over memory, oom: code: completed with 137', async () => {
      pool().setPolicy({batch: {oom: 'code'}});
      const {ad, record} = await ended(await pool().submit(TOO_MUCH));
      expect(record.outcome).to.deep.include({status: 'limit', limit: 'memory'});
      expect(pick(ad, 'JobStatus', 'ExitBySignal', 'ExitCode', 'ChirpTareLimit', 'ChirpTareHold')).to.deep.equal({
        JobStatus: '4',
        ExitBySignal: 'false',
        ExitCode: '137',
        ChirpTareLimit: '"memory"',
        ChirpTareHold: undefined,
      });
    });

    it('over wall time: told to end, and ends as it wants to', async () => {
      pool().setPolicy({maxima: {wallTime: '2s'}});
      const [obeys, dies] = await Promise.all([
        pool().submit(shell(`trap "echo told to end; exit 4" TERM; ${WAITS}`)),
        pool().submit({executable: '/bin/sleep', arguments: '60', transfer_executable: false}),
      ]);
      const [first, second] = await Promise.all([ended(obeys), ended(dies)]);
      expect(obeys.output).to.equal('told to end\n');
      expect(pick(first.ad, 'ExitBySignal', 'ExitCode')).to.deep.equal({ExitBySignal: 'false', ExitCode: '4'});
      expect(pick(second.ad, 'ExitBySignal', 'ExitSignal')).to.deep.equal({ExitBySignal: 'true', ExitSignal: '15'});
      for (const {ad, record} of [first, second]) {
        expect(record.outcome).to.deep.include({status: 'limit', limit: 'wallTime'});
        expect(ad.get('ChirpTareLimit')).to.equal('"wallTime"');
      }
    });

    it('a descriptor that the policy refuses: held for good, with the reason in the job’s log', async () => {
      pool().setPolicy({patterns: ['ulimit++']});
      const job = await pool().submit(
        {...shell('echo ran'), transfer_input_files: '.tare.yaml'},
        {files: {'.tare.yaml': 'schema: tare/job/v1\npattern: vm-lite\n'}},
      );
      expect(await job.wait('held')).to.match(/Tare: .*vm-lite/);
      expect([job.output, job.error]).to.satisfy(([out, err]: string[]) => out === '' && /^tare: .*vm-lite.*\n$/.test(err ?? ''));
      const ad = await job.heldAd();
      expect(pick(ad, 'JobStatus', 'ExitCode', 'ChirpTareStatus', 'ChirpTareCode')).to.deep.equal({
        JobStatus: '5',
        ExitCode: '126',
        ChirpTareStatus: '"refused"',
        ChirpTareCode: '"PATTERN_FORBIDDEN"',
      });
      expect(recordOf(ad).outcome).to.deep.include({status: 'refused', code: 'PATTERN_FORBIDDEN'});
      expect(job.events('executing')).to.have.length(1);
      await job.command('condor_rm');
    });

    it('a descriptor that comes with the job, by name', async () => {
      pool().setPolicy({});
      const job = await pool().submit(
        {...shell('ulimit -n'), transfer_input_files: 'wishes.yaml', '+TareJob': '"wishes.yaml"'},
        {files: {'wishes.yaml': 'schema: tare/job/v1\nname: mine\nlimits: {openFiles: 100}\n'}},
      );
      const {ad, record} = await ended(job);
      expect(ad.get('ExitCode')).to.equal('0');
      expect(job.output).to.equal('100\n');
      expect(record.payload.name).to.equal('mine');
      expect(job.returned()).to.deep.equal(['err.0', 'out.0']);
    });

    it('a wrapper that cannot do its work: the reason in the starter’s log, and the job waits for another try', async () => {
      pool().setPolicy({box: 'required'});
      await pool().cover('/usr/bin/bwrap', '/dev/null');
      try {
        const job = await pool().submit(shell('echo ran'));
        expect(await nudged(pool(), job, () => job.wait('remote-error', {times: 2}))).to.match(
          /The job wrapper failed to execute the job: tare: .*box/,
        );
        expect(pool().starterLog()).to.match(/The job wrapper failed to execute the job: tare: .*box/);
        expect(job.events('held').length + job.events('terminated').length).to.equal(0);
        expect((await job.ad()).get('JobStatus')).to.be.oneOf(['1', '2']);
        await pool().uncover('/usr/bin/bwrap');
        await nudged(pool(), job, () => job.wait('terminated'));
        const ad = await job.finalAd();
        expect([ad.get('ExitCode'), job.output]).to.deep.equal(['0', 'ran\n']);
        expect(recordOf(ad, 1).outcome).to.deep.include({status: 'wrapper-failure', code: 'BOX_UNAVAILABLE'});
        expect(recordOf(ad, Number(ad.get('NumJobStarts'))).outcome.status).to.equal('completed');
      } finally {
        await pool()
          .uncover('/usr/bin/bwrap')
          .catch(() => undefined); // it may be so already
      }
    });

    it('condor_suspend and condor_continue: the record knows for how long', async () => {
      pool().setPolicy({});
      const job = await started(pool(), shell(': >ready; n=0; while [ $n -lt 30 ]; do n=$((n + 1)); sleep 0.1; done'));
      await job.command('condor_suspend');
      await job.wait('suspended');
      await sleep(6000);
      await job.command('condor_continue');
      const {ad, record} = await ended(job);
      expect(record.time.suspendedUs).to.be.within(4_000_000, 20_000_000);
      expect(Number(ad.get('CumulativeSuspensionTime'))).to.be.within(4, 20);
    });

    it('an evicted attempt and the one after it have a record each', async () => {
      const job = await started(pool(), shell(`test -n "$(ls again 2>/dev/null)"; trap "exit 0" TERM; ${WAITS}`));
      await job.command('condor_vacate_job');
      await job.wait('executing', {times: 2});
      // a sandbox is there before the wrapper is: one that was removed before it began has no record
      const isSecond = ({lrms}: UsageRecord): boolean => lrms.attempt === 2 && lrms.globalJobId.split('#')[1] === job.id;
      await until('the second attempt', () => pool().records().some(isSecond));
      await job.command('condor_rm');
      await job.wait('aborted');
      const ad = await job.finalAd();
      expect(recordOf(ad, 1).outcome.status).to.equal('completed');
      await until('the second record', () => recordOf(ad, 2).state === 'final');
    });

    it('leaves nothing on the node', async () => {
      await until(`the end of all jobs`, () => pool().leftovers().length === 0, 20).catch(() => {
        expect(pool().leftovers()).to.deep.equal([]);
      });
    });
  });
}
