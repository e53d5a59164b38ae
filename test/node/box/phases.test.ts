/**
 * Phases of an attempt whose payload makes checkpoints: one record. The starter is a stand-in, a shell that calls the wrapper again as HTCondor's
 * does (VanillaProc::JobReaper); the real one is in test/e2e/htcondor.
 */
import {expect} from 'chai';
import {join} from 'node:path';
import type {UsageRecord} from '../../../src/record/record.js';
import validate from '../../../src/schema/generated/record-2.validator.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {PrivateNode} from '../../support/private-node.js';
import {installed, isRoot} from '../../support/tare.js';

/** Each phase works and counts itself; the last one ends by 0. */
const JOB = `n=$(cat n 2>/dev/null || echo 0); n=$((n+1)); echo $n >n; i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; [ $n -lt 3 ] && exit 85; exit 0`;
const AD = `GlobalJobId = "schedd.example#7.0#1700000000"
ClusterId = 7
ProcId = 0
NumJobStarts = 0
WantFTOnCheckpoint = true
SuccessCheckpointExitCode = 85
`;

for (const account of ['root', 'grid']) {
  describe(`phases of an attempt (${account})`, function () {
    this.timeout(patience(60_000));
    let node: PrivateNode;
    let tare: string;
    before(async function () {
      need(this, isRoot, 'a node of the test’s own needs root');
      node = await PrivateNode.start();
      if (account !== 'root') await node.addAccount(account, 4001);
      tare = node.bring(join(installed(), 'dist/tare'));
    });
    after(async () => {
      await node.stop();
    });

    const policy = (more: object = {}): Promise<void> =>
      node.write(
        '/etc/tare/policy.yaml',
        JSON.stringify({
          schema: 'tare/policy/v1',
          site: {name: 'TEST-SITE'},
          directories: {spool: '/var/tmp/spool'},
          ...more,
        }),
      );
    const run = async (script: string): Promise<string> => (await node.sh(script, {account})).text;
    /** As the starter makes it: sandbox, ads, and a loop around the wrapper, with something between two calls. */
    const starter = async (job: string, between = ':', ad = AD): Promise<string> => {
      await node.write('/var/tmp/starter', starterScript(tare, job, between), {mode: '755'});
      await node.write('/var/tmp/job.ad', ad);
      await node.sh(`rm -rf /home/sandbox; install -d -m 700 -o ${account === 'root' ? 65534 : account} /home/sandbox`);
      return run('cd /home/sandbox; sh /var/tmp/starter; cd /');
    };
    const records = async (): Promise<UsageRecord[]> => {
      const text = await run('for record in /var/tmp/spool/*.json; do test -e "$record" && cat "$record"; done');
      const found = text
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as UsageRecord);
      for (const record of found) expect(validate(structuredClone(record)), JSON.stringify(validate.errors)).to.equal(true);
      expect(await run(`${tare}/bin/tare records verify`)).to.include(', 0 wrong');
      return found;
    };
    const only = async (): Promise<UsageRecord> => {
      const found = await records();
      expect(found, JSON.stringify(found.map(({outcome, lrms}) => [lrms, outcome]))).to.have.length(1);
      return found[0]!;
    };
    const sweep = (): Promise<string> => run(`${tare}/bin/tare records sweep --json`);
    const statuses = ({phases}: UsageRecord): unknown[] =>
      (phases?.list ?? []).map(({status, exitCode, signal}) => [status, exitCode ?? signal]);
    const total = (values: readonly (number | null)[]): number => values.reduce<number>((all, one) => all + (one ?? 0), 0);
    const expectSums = ({time, usage, phases}: UsageRecord): void => {
      const list = phases?.list ?? [];
      expect(phases?.count).to.equal(list.length);
      expect(time.wallUs).to.equal(total(list.map(({wallUs}) => wallUs)));
      expect(usage.cpuUserUs).to.equal(total(list.map(({cpuUserUs}) => cpuUserUs)));
      expect(usage.cpuSystemUs).to.equal(total(list.map(({cpuSystemUs}) => cpuSystemUs)));
      expect(usage.memPeakBytes).to.equal(Math.max(...list.map(({memPeakBytes}) => memPeakBytes ?? 0)));
      expect(time.startEpochUs).to.equal(list[0]?.startEpochUs);
    };

    beforeEach(async () => {
      await policy();
      await node.sh('rm -rf /var/tmp/*; mkdir -m 1777 /var/tmp/spool');
    });

    it('are one record with their list and sums, which a sweep between two of them leaves alone', async () => {
      const said = await starter(JOB, `sleep 0.5; ${tare}/bin/tare records sweep --json; cat /var/tmp/spool/*.json >>between`);
      expect(said).to.include('85\n[]\n').and.to.match(/0\n$/);
      const record = await only();
      expect([record.state, record.outcome.status, record.outcome.exitCode, record.lrms.attempt]).to.deep.equal([
        'final',
        'completed',
        0,
        1,
      ]);
      expect(record.lrms.globalJobId).to.equal('schedd.example#7.0#1700000000');
      expect(statuses(record)).to.deep.equal([
        ['checkpoint', 85],
        ['checkpoint', 85],
        ['completed', 0],
      ]);
      expectSums(record);
      // the time between two phases is in the span, and is no wall time
      const {startEpochUs, endEpochUs, wallUs} = record.time;
      expect((endEpochUs ?? 0) - (startEpochUs ?? 0) - (wallUs ?? 0)).to.be.above(900_000);
      const between = (await run('cat /home/sandbox/between'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as UsageRecord);
      expect(between.map(({state, outcome, phases}) => [state, outcome.status, phases?.count])).to.deep.equal([
        ['started', 'running', 1],
        ['started', 'running', 2],
      ]);
      expect(new Set(between.map(({recordId}) => recordId))).to.deep.equal(new Set([record.recordId]));
      expect(await sweep()).to.equal('[]\n');
    });

    it('the starter is gone after a checkpoint: a sweep closes the record as stopped, with all figures', async () => {
      await starter(JOB, 'exit');
      expect((await only()).state).to.equal('started');
      expect(await sweep()).to.include('ended with a checkpoint');
      const record = await only();
      expect([record.state, record.outcome.status, record.outcome.exitCode]).to.deep.equal(['final', 'stopped', 85]);
      expect(record.outcome.reason).to.include('checkpoint');
      expect(statuses(record)).to.deep.equal([['checkpoint', 85]]);
      expectSums(record);
      expect(await sweep()).to.equal('[]\n');
    });

    it('a checkpoint on SIGTERM ends the attempt: stopped, and closed at once', async () => {
      const job = `n=$(cat n 2>/dev/null || echo 0); n=$((n+1)); echo $n >n; [ $n = 1 ] && exit 85; trap 'exit 85' TERM; : >ready; while :; do sleep 0.05; done`;
      await starter(job, 'touch over');
      const record = await only();
      expect([record.state, record.outcome.status, record.outcome.exitCode]).to.deep.equal(['final', 'stopped', 85]);
      expect(record.outcome.reason).to.include('SIGTERM');
      expect(statuses(record)).to.deep.equal([
        ['checkpoint', 85],
        ['stopped', 85],
      ]);
      expectSums(record);
    });

    it('a phase whose wrapper is killed: the lost record has the phases before', async () => {
      const job = `n=$(cat n 2>/dev/null || echo 0); n=$((n+1)); echo $n >n; [ $n = 1 ] && exit 85; : >killme; sleep 60`;
      await starter(job);
      expect(await sweep()).to.include('"result":"closed"');
      const record = await only();
      expect([record.state, record.outcome.status]).to.deep.equal(['lost', 'lost']);
      expect(statuses(record)).to.deep.equal([
        ['checkpoint', 85],
        ['lost', null],
      ]);
      expect(record.flags).to.include('partial');
      expect(record.time.wallUs).to.be.at.least(record.phases?.list[0]?.wallUs ?? Infinity);
      expect(record.usage.cpuUserUs).to.be.at.least(record.phases?.list[0]?.cpuUserUs ?? Infinity);
    });

    it('a phase that is refused ends the attempt, with the figures of those before', async () => {
      await starter(JOB, 'echo nonsense >.tare.yaml');
      const record = await only();
      expect([record.state, record.outcome.status, record.outcome.code]).to.deep.equal(['final', 'wrapper-failure', 'DOCUMENT_KIND']);
      expect(statuses(record)).to.deep.equal([
        ['checkpoint', 85],
        ['wrapper-failure', null],
      ]);
      expect(record.usage.cpuUserUs).to.be.above(0);
      expect(record.time.wallUs).to.equal(record.phases?.list[0]?.wallUs);
    });

    it('what the account has made of the open record is not gone on with', async () => {
      await starter(JOB, `sed -i 's/"cpuUserUs":[0-9][0-9]*/"cpuUserUs":"much"/' /var/tmp/spool/*.json`);
      const found = (await run('cat /var/tmp/spool/*.json'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as UsageRecord);
      const whole = found.filter((record) => validate(structuredClone(record)));
      expect([found.length, whole.length]).to.deep.equal([3, 1]);
      expect([whole[0]?.outcome.status, whole[0]?.phases]).to.deep.equal(['completed', undefined]);
    });

    it('another starter of the same attempt has a record of its own', async () => {
      await starter(JOB, 'exit');
      await starter('exit 0');
      const all = await records();
      expect(all).to.have.length(2);
      expect(await sweep()).to.include('ended with a checkpoint');
      expect((await records()).map(({state, outcome}) => [state, outcome.status]).sort()).to.deep.equal([
        ['final', 'completed'],
        ['final', 'stopped'],
      ]);
    });

    it('a supervisor that is killed in the second phase costs nothing', async () => {
      const job = `n=$(cat n 2>/dev/null || echo 0); n=$((n+1)); echo $n >n; [ $n = 1 ] && exit 85; : >killsupervisor; sleep 1; exit 3`;
      await starter(job);
      const record = await only();
      expect([record.outcome.status, record.outcome.exitCode]).to.deep.equal(['failed', 3]);
      expect(record.flags).to.include('supervisor-lost');
      expect(statuses(record)).to.deep.equal([
        ['checkpoint', 85],
        ['failed', 3],
      ]);
      expectSums(record);
    });

    it('where no checkpoint is agreed, 85 is a failure', async () => {
      await starter('exit 85', 'exit', AD.replace('WantFTOnCheckpoint = true\n', ''));
      const record = await only();
      expect([record.state, record.outcome.status, record.outcome.exitCode, record.phases]).to.deep.equal([
        'final',
        'failed',
        85,
        undefined,
      ]);
    });
  });
}

/** What the payload asks for by a file, the starter's helper does: TERM to the wrapper, KILL to it, KILL to its supervisor. */
function starterScript(tare: string, job: string, between: string): string {
  const quoted = `'${job.replaceAll("'", `'\\''`)}'`;
  return `export _CONDOR_JOB_AD=/var/tmp/job.ad _CONDOR_MACHINE_AD=/dev/null _CONDOR_SCRATCH_DIR=$PWD _CONDOR_SLOT=slot1
while :; do
  ${tare}/bin/tare-wrap /bin/sh -c ${quoted} & wrapper=$!
  while kill -0 $wrapper 2>/dev/null && ! test -e ready -o -e killme -o -e killsupervisor; do sleep 0.05; done
  test -e ready && kill -TERM $wrapper
  # one that is stopped starts no supervisor anew meanwhile
  killed=
  test -e killme && kill -STOP $wrapper && killed="$(pgrep -P $wrapper) $wrapper" && kill -KILL $killed
  # one that waits for a disk dies when the disk has answered: a sweep leaves it alone until then
  for one in $killed; do while grep -qs '^State:.[^ZX]' /proc/$one/status; do sleep 0.05; done; done
  test -e killsupervisor && pkill -KILL -P $wrapper -f @shim=
  rm -f ready killme killsupervisor
  wait $wrapper; status=$?
  echo $status
  [ $status = 85 ] && ! test -e over || exit 0
  ${between}
done
`;
}
