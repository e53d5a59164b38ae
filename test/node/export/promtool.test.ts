/** Prometheus' own tool reads what the exporter writes, and tries the alert rules that a site is given. */
import {spawnSync} from 'node:child_process';
import {chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {expect} from 'chai';
import {describeSite} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {problemsOfProm, sampleOf} from '../../support/prom.js';
import {changed, pilot, put} from '../../support/records.js';

const at = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const RULES = at('configs/prometheus/tare.rules.yaml');
const CASES = at('fixtures/prometheus/alerts.yaml');
const promtool = (argv: readonly string[], input = ''): {status: number | null; said: string} => {
  const {status, stdout, stderr} = spawnSync('promtool', argv, {input, encoding: 'utf8'});
  return {status, said: stdout + stderr};
};

describeSite('Prometheus’ own tool', {roles: ['root'], mayLeave: true}, (site) => {
  before(function () {
    need(this, promtool(['--version']).status === 0, 'promtool is not here');
  });

  it('takes the alert rules, and each alert fires where it should and nowhere else', () => {
    const checked = promtool(['check', 'rules', '--lint=all', '--lint-fatal', RULES]);
    expect(checked.status, checked.said).to.equal(0);
    const tried = promtool(['test', 'rules', CASES]);
    expect(tried.status, tried.said).to.equal(0);
  });

  it('finds each alert in a case, in the documents, and would find one that is broken', () => {
    const rules = readFileSync(RULES, 'utf8');
    const cases = readFileSync(CASES, 'utf8');
    const page = readFileSync(at('docs/howto/alerts.md'), 'utf8').toLowerCase();
    const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name);
    expect(alerts).to.have.length.above(10);
    for (const alert of alerts) {
      expect(cases, alert).to.contain(`alertname="${alert}"`);
      expect(rules, alert).to.contain(`runbook: docs/howto/alerts.md#${alert.toLowerCase()}\n`);
      expect(page, alert).to.contain(`## ${alert.toLowerCase()}\n`);
    }
    const broken = join(site.directory, 'rules.yaml');
    writeFileSync(broken, rules.replaceAll('flag="unboxed"', 'flag="boxed"'));
    writeFileSync(join(site.directory, 'cases.yaml'), cases.replace(/rule_files: .*/, `rule_files: [${broken}]`));
    expect(promtool(['test', 'rules', join(site.directory, 'cases.yaml')]).status).to.equal(1);
  });
});

describeSite('the node’s file for node_exporter, %s', {mayLeave: true}, (site) => {
  let file: string;
  let health: string;
  before(() => {
    const out = join(site.directory, 'out');
    mkdirSync(out);
    site.give(out);
    file = join(out, 'tare.prom');
    const node = join(site.directory, 'node');
    mkdirSync(node, {recursive: true});
    chmodSync(node, 0o755);
    health = join(node, 'health.json');
  });
  const exporting = async (): Promise<string> => {
    const policy = site.policy({exporters: {prometheus: {file}}});
    const {code, stderr} = await site.command(['records', 'export', '--quiet', '--policy', policy]);
    expect(code, stderr).to.equal(0);
    return readFileSync(file, 'utf8');
  };
  const write = (change: object): void => {
    const result = {
      ...{schema: 'tare/health/v1', at: 1, bootId: null, version: '0.1.0', healthy: true, reason: null, closedSince: null, boxed: true},
      ...{failures: 0, failuresByAccount: [], probes: [], checks: [{name: 'spool', state: 'ok', because: null}], degraded: {}},
      ...{resetAt: null, faults: [], ...change},
    };
    writeFileSync(health, JSON.stringify(result), {mode: 0o644});
  };

  it('is written on a node without jobs and without a spool, and has no health where no probe ran', async () => {
    rmSync(join(site.directory, 'spool'), {recursive: true});
    const text = await exporting();
    expect(sampleOf(text, 'tare_records{state="open"}')).to.equal(0);
    expect(sampleOf(text, 'tare_jobs_total{outcome="completed"}')).to.equal(0);
    expect(sampleOf(text, 'tare_export_time_seconds')).to.be.within(Date.now() / 1000 - 600, Date.now() / 1000 + 1);
    expect(text).not.to.contain('tare_node_healthy');
    expect(readdirSync(join(site.directory, 'out'))).to.deep.equal(['tare.prom']);
    expect(statSync(file).mode & 0o444).to.equal(0o444);
  });

  it('has the result and time of the last probe; a result that others could have written is ignored', async () => {
    write({healthy: false, reason: 'no bubblewrap', closedSince: 5e6, boxed: false, failures: 3, degraded: {unboxed: 2}});
    utimesSync(health, 1_795_518_500, 1_795_518_500);
    const text = await exporting();
    expect(sampleOf(text, 'tare_node_healthy')).to.equal(0);
    expect(sampleOf(text, 'tare_node_health_time_seconds')).to.equal(1_795_518_500);
    expect(sampleOf(text, 'tare_node_failures')).to.equal(3);
    expect(sampleOf(text, 'tare_node_degraded_jobs{code="unboxed"}')).to.equal(2);
    chmodSync(health, 0o666);
    expect(await exporting()).not.to.contain('tare_node_healthy');
    writeFileSync(health, '{');
    chmodSync(health, 0o644);
    expect(await exporting()).not.to.contain('tare_node_healthy');
  });

  it('is what promtool takes, and has all that the alerts ask for', async function () {
    need(this, promtool(['--version']).status === 0, 'promtool is not here');
    write({});
    const spool = join(site.directory, 'spool');
    mkdirSync(spool, {recursive: true});
    const failed = changed(pilot(2), {outcome: {status: 'wrapper-failure', code: 'BOX_UNAVAILABLE', exitCode: 125}, flags: ['unboxed']});
    for (const record of [pilot(1), failed]) {
      put(spool, record);
      site.give(spool, join(spool, `${record.recordId}.json`));
    }
    const text = await exporting();
    expect(sampleOf(text, 'tare_jobs_total{outcome="completed"}')).to.equal(1);
    expect(problemsOfProm(text)).to.deep.equal([]);
    const {status, said} = promtool(['check', 'metrics'], text);
    expect([status, said]).to.deep.equal([0, '']);
    const asked = new Set(readFileSync(RULES, 'utf8').match(/\btare_[a-z_]+/g));
    // what the batch system was told is in a file of its own
    for (const name of asked) if (!name.startsWith('tare_batch_')) expect(text, name).to.match(new RegExp(`^${name}[ {]`, 'm'));
    const page = readFileSync(at('docs/reference/exporters.md'), 'utf8');
    for (const [, name = ''] of text.matchAll(/^# TYPE (\S+)/gm)) expect(page, name).to.contain(`\`${name}\``);
  });
});
