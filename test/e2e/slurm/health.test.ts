/** Slurm's health check of a node with Tare, run by slurmd: the node is drained with the reason, and resumed when that is gone. */

import {chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {renderedAd} from '../../../plugins/htcondor/health.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {Cluster} from '../../support/slurm.js';
import {installed, isRoot, program} from '../../support/tare.js';

const HEALTHY = renderedAd({healthy: true, boxed: true, failures: 0, degraded: {}, reason: null, spool: null});

describe('a node of Slurm and its health', () => {
  let cluster: Cluster | null = null;
  const slurm = (): Cluster => cluster ?? expect.fail('the cluster has not been started');

  /** What root's timer does; absent: it has stopped. */
  let looks: NodeJS.Timeout | null = null;
  const look = (ad: string): void => {
    for (const [name, text] of [
      ['health.ad', ad],
      ['health.json', '{}'],
    ] as const)
      writeFileSync(slurm().at('node', name), text);
  };
  before(async function () {
    need(this, isRoot, 'a cluster whose jobs run as their user needs root');
    need(this, program('slurmctld') !== null && program('slurmd') !== null && program('munged') !== null, 'Slurm is not installed');
    cluster = await Cluster.start({
      config: ['HealthCheckProgram=DIRECTORY/check', 'HealthCheckInterval=1', 'HealthCheckNodeState=ANY'],
    });
    const put = (name: string, text: string): void => {
      writeFileSync(slurm().at(name), text);
      chmodSync(slurm().at(name), 0o755);
    };
    for (const name of ['folder', 'folder/bin', 'folder/libexec', 'node']) mkdirSync(slurm().at(name));
    for (const name of ['bin/tare', 'bin/tare-wrap', 'libexec/tare']) put(`folder/${name}`, '#!/bin/sh\nexit 0\n');
    put('health', readFileSync(join(installed(), 'configs/htcondor/tare-health.sh'), 'utf8'));
    look(HEALTHY);
    looks = setInterval(() => {
      look(HEALTHY);
    }, 2000);
    const check = readFileSync(join(installed(), 'configs/slurm/tare-health-check.sh'), 'utf8');
    const places: Record<string, string> = {
      '/usr/libexec/tare-health': 'health',
      '/opt/tare': 'folder',
      '/var/lib/tare/node': 'node',
      '/run/tare-slurm': 'kept',
    };
    const own = Object.entries(places).reduce((text, [path, name]) => text.replace(path, slurm().at(name)), check);
    // a site's is where scontrol looks for it
    put('check', own.replace('\n\n', `\nexport SLURM_CONF=${slurm().at('slurm.conf')}\n\n`));
  });
  afterEach(function () {
    if (this.currentTest?.state === 'failed' && cluster !== null) console.log(cluster.logs());
  });
  after(async () => {
    if (looks !== null) clearInterval(looks);
    await cluster?.stop();
  });

  const node = async (): Promise<string> => {
    const {stdout} = await slurm().run(['sinfo', '-h', '-N', '-o', '%T %E'], {root: true});
    return stdout.trim();
  };
  const becomes = async (pattern: RegExp): Promise<void> => {
    let found = '';
    for (const deadline = Date.now() + patience(30_000); !pattern.test(found);) {
      if (Date.now() > deadline) expect(found).to.match(pattern);
      await new Promise((resolve) => setTimeout(resolve, 300));
      found = await node();
    }
  };
  const scontrol = async (...argv: string[]): Promise<void> => {
    const name = (await slurm().run(['sinfo', '-h', '-N', '-o', '%N'], {root: true})).stdout.trim();
    const {code, stderr} = await slurm().run(['scontrol', 'update', `NodeName=${name}`, ...argv], {root: true});
    expect(code, stderr).to.equal(0);
  };

  it('the folder is gone: drained, with the reason; it is there again: resumed', async () => {
    await becomes(/^idle/);
    renameSync(slurm().at('folder'), slurm().at('gone'));
    await becomes(/^drain\w* tare: .*folder: bin and libexec are not there/);
    renameSync(slurm().at('gone'), slurm().at('folder'));
    await becomes(/^idle/);
  });

  it('resumed by hand while it is broken: drained again', async () => {
    renameSync(slurm().at('folder'), slurm().at('gone'));
    await becomes(/^drain\w* tare: /);
    await scontrol('State=RESUME');
    await becomes(/^drain\w* tare: /);
    renameSync(slurm().at('gone'), slurm().at('folder'));
    await becomes(/^idle/);
  });

  it('drained by somebody else: stays so, with that reason', async () => {
    await scontrol('State=DRAIN', 'Reason=a new fan');
    renameSync(slurm().at('folder'), slurm().at('gone'));
    await new Promise((resolve) => setTimeout(resolve, 4000));
    expect(await node()).to.match(/^drain\w* a new fan/);
    renameSync(slurm().at('gone'), slurm().at('folder'));
    await new Promise((resolve) => setTimeout(resolve, 4000));
    expect(await node()).to.match(/^drain\w* a new fan/);
    await scontrol('State=RESUME');
    await becomes(/^idle/);
  });
});
