/** What a box tells its payload about itself, and a wrapper that is called in a box. */

import {expect} from 'chai';
import {writeFileSync} from 'node:fs';
import {networkInterfaces} from 'node:os';
import {join} from 'node:path';
import type {UsageRecord} from '../../../src/record/record.js';
import {describeSite} from '../../support/describe-site.js';
import {patience} from '../../support/pace.js';
import {bin} from '../../support/tare.js';

/** A node can have no network at all: then a box that shares it keeps `none` as well as one with its own. */
const NODE_HAS_NETWORK = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({internal}) => !internal));

/** Payloads that never get a box of their own. */
const UNBOXED = {batch: {blackHole: {failures: 1, within: '1h', then: 'unboxed'}}} as const;

describeSite('within a box (%s)', {mayLeave: true}, (site) => {
  const failed = (): void => {
    site.failed();
  };
  const LIST = 'cd "$1" && for f in *; do echo "$f=$(cat "$f")"; done';
  const features = (stdout: string): Record<string, string> =>
    Object.fromEntries(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split('=') as [string, string]),
    );

  it('Machine/Job Features are the limits that hold', async () => {
    const policy = {features: {hs06: 100, shutdownTime: 2_000_000_000, grace: '1h'}};
    const flags = ['--cores', '1', '--memory', '1GiB', '--wall-time', '90s', '--cpu-time', '2m'];
    const read = async (variable: string) => {
      const {stdout, record} = await site.run([...flags, '--', 'sh', '-c', LIST.replace('$1', `$${variable}`)], {policy});
      return {values: features(stdout), record};
    };
    const {values, record} = await read('JOBFEATURES');
    expect(values).to.include({
      allocated_cpu: '1',
      wall_limit_secs: '90',
      cpu_limit_secs: '120',
      max_rss_bytes: String(2 ** 30),
      shutdowntime_job: '2000000000',
      grace_secs_job: '3600',
    });
    expect(record.lrms.globalJobId).to.include(values['job_id']);
    expect(Math.abs(Number(values['jobstart_secs']) - Date.now() / 1000)).to.be.below(patience(10));
    const machine = (await read('MACHINEFEATURES')).values;
    expect(machine).to.include({hs06: '100', shutdowntime: '2000000000', grace_secs: '3600'});
    expect(Number(values['hs06_job'])).to.be.closeTo(100 / Number(machine['total_cpu']), 0.01);
  });

  it('a limit that is not set has no file, and the payload can write none', async () => {
    const {stdout, code} = await site.run(['--', 'sh', '-c', 'ls $JOBFEATURES; ! touch $JOBFEATURES/x /dev/tare/x 2>/dev/null']);
    const files = stdout.trim().split('\n');
    // a node without swap has that limit by itself
    expect([files.filter((name) => name !== 'max_swap_bytes'), code]).to.deep.equal([['job_id', 'jobstart_secs'], 0]);
  });

  it('a site’s own features of the machine stay', async () => {
    const env = {PATH: '/usr/bin:/bin', MACHINEFEATURES: '/etc/machinefeatures'};
    expect((await site.run(['--', 'sh', '-c', 'echo $MACHINEFEATURES'], {env})).stdout).to.equal('/etc/machinefeatures\n');
  });

  it('without a box they are there all the same', async () => {
    failed();
    const {stdout, record} = await site.run(['--memory', '1GiB', '--', 'sh', '-c', 'cat $JOBFEATURES/max_rss_bytes'], {policy: UNBOXED});
    expect([stdout, record.mode]).to.deep.equal([String(2 ** 30), 'limits-only']);
    expect(site.leftovers()).to.deep.equal([]);
  });

  /** A wrapper in the payload, which leaves its record on standard output. */
  const INNER = [bin('tare'), 'run', '--json', '--memory', '512MiB', '--', '/bin/true'];

  it('a wrapper in a box only subdivides, and its record says in which box', async () => {
    const outer = await site.run(['--memory', '1GiB', '--', ...INNER]);
    const inner = JSON.parse(outer.stdout) as UsageRecord;
    expect([outer.code, outer.record.parent]).to.deep.equal([0, null]);
    expect(inner.parent).to.deep.equal({recordId: outer.record.recordId, how: '/dev/tare is mounted read-only'});
    expect([inner.mode, inner.limits?.memory.value, inner.outcome.status]).to.deep.equal(['limits-only', 2 ** 29, 'completed']);
    expect(inner.flags).to.include('nested').and.not.include('unboxed');
    expect(inner.recordId).to.not.equal(outer.record.recordId);
  });

  it('a wrapper in a job without a box makes no box', async () => {
    failed();
    const outer = await site.run(['--memory', '1GiB', '--', ...INNER], {
      policy: UNBOXED,
      env: {PATH: process.env.PATH, HOME: site.directory},
    });
    const inner = JSON.parse(outer.stdout) as UsageRecord;
    expect([outer.record.mode, inner.mode]).to.deep.equal(['limits-only', 'limits-only']);
    expect(inner.parent?.how).to.match(/the own group is .*\/payload\/job$|process \d+ above is a shim/);
  });

  it('a wrapper in a box takes no network from its payload: it refuses, unless the box around has none', async () => {
    const inner = [...INNER.slice(0, 2), '--network', 'none', ...INNER.slice(2)];
    const run = async (network: string): Promise<[number | null, UsageRecord, string]> => {
      const outer = await site.run(['--network', network, '--', ...inner]);
      return [outer.code, JSON.parse(outer.stdout) as UsageRecord, outer.stderr];
    };
    if (NODE_HAS_NETWORK) {
      const [code, record, stderr] = await run('host');
      expect([code, record.outcome.code, record.time.startEpochUs]).to.deep.equal([125, 'BOX_UNAVAILABLE', null]);
      expect(stderr).to.match(/^tare: network none, which only a box can keep: the box cannot be built: in a box already /);
    }
    for (const network of NODE_HAS_NETWORK ? ['none'] : ['host', 'none']) {
      const [done, inside] = await run(network);
      expect([done, inside.mode, inside.outcome.status], network).to.deep.equal([0, 'limits-only', 'completed']);
    }
  });

  it('a variable is no proof', async () => {
    const {record} = await site.run(['--', '/bin/true'], {env: {PATH: '/usr/bin:/bin', JOBFEATURES: '/dev/tare/jobfeatures'}});
    expect([record.parent, record.mode]).to.deep.equal([null, 'box']);
  });

  it('a node on which boxes fail runs jobs without one only as often as the policy says', async () => {
    const policy = (failures: number) => ({batch: {blackHole: {failures, within: '1h', then: 'unboxed'}}});
    failed();
    expect((await site.run(['--', '/bin/true'], {policy: policy(1)})).record.flags).to.include('unboxed');
    expect((await site.run(['--', '/bin/true'], {policy: policy(1000)})).record.mode).to.equal('box');
  });
});

describeSite('a node’s health', {roles: ['user'], mayLeave: true}, (site) => {
  it('is asked of the command line, and a broken policy is no healthy node', async () => {
    const health = async (policy: string) => {
      const {stdout} = await site.command(['htcondor', 'health', '--policy', policy]);
      return stdout.split('\n').filter((line) => /^Tare(?:Healthy|Failures) /.test(line));
    };
    const batch = {blackHole: {failures: 1, within: '1h', then: 'drain'}};
    const drain = site.policy({batch});
    expect(await health(drain)).to.deep.equal(['TareHealthy = True', 'TareFailures = 0']);
    // of the command line, in a job or by hand, the node is not to blame
    const demanding = site.policy({batch, enforcement: {cores: 'kernel'}}); // which this user cannot have
    await site.command(['run', '--policy', demanding, '--cores', '1', '--', '/bin/true']);
    expect(await health(drain)).to.deep.equal(['TareHealthy = True', 'TareFailures = 0']);
    site.failed();
    expect(await health(drain)).to.deep.equal(['TareHealthy = False', 'TareFailures = 1']);
    const broken = join(site.directory, 'broken.yaml');
    writeFileSync(broken, 'schema: tare/policy/v1\nbatch: {oom: maybe}\n');
    expect((await health(broken))[0]).to.equal('TareHealthy = False');
  });
});
