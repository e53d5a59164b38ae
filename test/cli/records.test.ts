/** `tare records` as a person, or a timer, calls it. */
import {chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {AuditorServer} from '../support/auditor.js';
import {describeSite} from '../support/describe-site.js';
import {changed, pilot, put} from '../support/records.js';
import type {RunOutput} from '../support/tare.js';

describeSite('tare records, %s', {each: true, mayLeave: true, timeout: 30_000}, (site) => {
  let spool: string;
  let out: string;
  beforeEach(() => {
    spool = join(site.directory, 'spool');
    out = join(site.directory, 'out');
    mkdirSync(out);
    site.give(out);
  });
  const records = (policy: string, ...argv: string[]): Promise<Omit<RunOutput, 'record'>> =>
    site.command(['records', ...argv, '--policy', policy]);

  it('lists, filters, shows, verifies', async () => {
    const policy = site.policy();
    put(spool, pilot(1));
    const other = changed(pilot(2), {
      user: {vo: 'c\u001bms'},
      outcome: {status: 'limit', limit: 'memory', exitCode: null, signal: 'SIGKILL'},
    });
    put(spool, other, '2026-09-21');
    const list = await records(policy, 'list');
    expect(list.code, list.stderr).to.equal(0);
    expect(list.stdout.trimEnd().split('\n')).to.have.length(2);
    expect(list.stdout).to.contain('2026-09-21T14:56:40Z  limit').and.contain('c?ms').and.not.contain('\u001b');
    expect((await records(policy, 'list', '--vo', 'atl*')).stdout).to.match(/^\S+ .* atlas .*\n$/);
    expect((await records(policy, 'list', '--since', '1d')).stdout).to.equal('');
    const json = await records(policy, 'list', '--json', '--outcome', 'limit');
    expect(JSON.parse(json.stdout)).to.have.property('recordId', other.recordId);
    const show = await records(policy, 'show', other.recordId);
    expect(show.stdout).to.contain('16 GiB').and.contain('limit (SIGKILL');
    expect((await records(policy, 'show', pilot(1).recordId, '--as', 'auditor')).stdout).to.contain('"record_id":"tare-');
    const prmon = await records(policy, 'show', pilot(1).recordId, '--as', 'prmon');
    expect([prmon.code, prmon.stderr]).to.deep.equal([
      125,
      `tare: prmon cannot have it: not measured: ${'pss rss swap vmem'
        .split(' ')
        .flatMap((name) => (name === 'vmem' ? ['vmemAverageBytes'] : [`${name}PeakBytes`, `${name}AverageBytes`]))
        .join(', ')}\n`,
    ]);
    const unknown = await records(policy, 'show', pilot(3).recordId);
    expect([unknown.code, unknown.stderr]).to.deep.equal([125, `tare: no record ${pilot(3).recordId} in ${spool}\n`]);
    const part = changed(pilot(4), {parent: {recordId: pilot(1).recordId, how: 'a test'}});
    put(spool, part);
    expect((await records(policy, 'list')).stdout).to.contain(`  pilot  part of ${pilot(1).recordId}\n`);
    rmSync(join(spool, `${part.recordId}.json`));
    expect((await records(policy, 'verify')).stdout).to.equal('2 records, 0 wrong\n');
    writeFileSync(join(spool, `${pilot(3).recordId}.json`), '{}');
    const verify = await records(policy, 'verify');
    expect([verify.code, verify.stdout.split('\n').at(-2)]).to.deep.equal([1, '3 records, 1 wrong']);
    const none = await records(policy, 'list', '--spool', join(site.directory, 'none'));
    expect(none.code).to.equal(125);
    expect(none.stderr).to.match(/^tare: the spool cannot be read: ENOENT.*; found: .*\/none; name another one with --spool\n$/);
  });

  it('exports to all that the policy has, warns of double counting, prunes what is safe', async () => {
    const server = new AuditorServer();
    const policy = site.policy({
      exporters: {
        jsonl: {directory: join(out, 'jsonl')},
        apel: {directory: join(out, 'apel'), doubleCounting: 'understood', submitHost: 'ce'},
        auditor: {url: await server.start(), timeout: '2s'},
        prometheus: {file: join(out, 'tare.prom')},
      },
    });
    try {
      put(spool, pilot(1));
      put(spool, changed(pilot(2), {benchmarks: []}));
      server.moods = ['fail', 'fail'];
      const first = await records(policy, 'export');
      expect(first.code, first.stderr).to.equal(1);
      expect(first.stdout.split('\n').slice(0, -1)).to.deep.equal([
        'jsonl: 2 delivered, 0 before, 0 not applicable, 0 refused, 0 failed',
        'apel: 1 delivered, 0 before, 0 not applicable, 1 refused, 0 failed',
        'auditor: 0 delivered, 0 before, 0 not applicable, 0 refused, 2 failed',
        'prometheus: 2 delivered, 0 before, 0 not applicable, 0 refused, 0 failed',
      ]);
      expect(first.stderr)
        .to.contain('WARNING: apel: these jobs are counted twice')
        .and.contain('no benchmark is known')
        .and.contain('500 database is away');
      const standing = await records(policy, 'list', '--exporter', 'auditor', '--standing', 'failed');
      expect(standing.stdout).to.match(/failed: http:.*database is away\n$/);
      expect((await records(policy, 'prune', '--older-than', '0s')).stdout).to.equal(
        '2 records, 0 removed; old, and kept: 1 refused, 1 failed\n',
      );
      const second = await records(policy, 'export', 'auditor', 'jsonl');
      expect([second.code, second.stdout]).to.deep.equal([
        0,
        'jsonl: 0 delivered, 2 before, 0 not applicable, 0 refused, 0 failed\nauditor: 2 delivered, 0 before, 0 not applicable, 0 refused, 0 failed\n',
      ]);
      expect(second.stderr).to.equal('');
      expect(server.stored).to.have.property('size', 2);
      expect((await records(policy, 'show', pilot(1).recordId)).stdout).to.contain('exporter auditor: delivered');
      expect((await records(policy, 'prune', '--older-than', '0s')).stdout).to.equal('2 records, 1 removed; old, and kept: 1 refused\n');
      expect(readdirSync(spool)).to.have.length(1);
      expect(readFileSync(join(out, 'tare.prom'), 'utf8')).to.contain('tare_jobs_total{outcome="completed"} 2');
    } finally {
      await server.stop();
    }
  });

  it('says what is wrong with the policy, or with its own directory', async () => {
    const stderrOf = async (extra: object, ...argv: string[]): Promise<string> => {
      const {code, stderr} = await records(site.policy(extra), ...argv);
      expect(code).to.equal(125);
      return stderr;
    };
    expect(await stderrOf({}, 'export')).to.match(/the policy switches no exporter on/);
    expect(await stderrOf({}, 'prune', '--older-than', '1d')).to.match(/no exporter is on/);
    expect(await stderrOf({exporters: {jsonl: {directory: out}}}, 'export', 'apel')).to.match(
      /apel: the policy does not switch this exporter on; found: jsonl/,
    );
    expect(await stderrOf({exporters: {apel: {directory: out}}}, 'export')).to.match(/doubleCounting/);
    const apel = {directory: out, doubleCounting: 'understood'};
    expect(await stderrOf({exporters: {apel, car: apel}}, 'export')).to.match(/the same jobs would go to APEL twice/);
    expect(await stderrOf({exporters: {auditor: {url: 'http://x', directory: '/x'}}}, 'export')).to.match(/found: both/);
    expect(await stderrOf({exporters: {auditor: {url: 'http://x', key: '/x', certificate: '/x'}}}, 'export')).to.match(/over https only/);
    const place = join(site.directory, 'state/exporters');
    mkdirSync(place);
    site.give(place);
    chmodSync(place, 0o755);
    expect(await stderrOf({exporters: {jsonl: {directory: out}}}, 'export')).to.match(
      /exporters cannot be used; found: owner \d+, mode 755/,
    );
  });
});
