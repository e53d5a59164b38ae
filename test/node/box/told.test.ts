/**
 * What a batch system is told when the supervisor that tells it is killed: a stand-in for HTCondor's starter, which listens and does not
 * answer.
 */

import {expect} from 'chai';
import {spawn} from 'node:child_process';
import {existsSync, mkdirSync, writeFileSync} from 'node:fs';
import {createServer, type AddressInfo, type Socket} from 'node:net';
import {join} from 'node:path';
import {describeSite} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {bin, ending, processes, until} from '../../support/tare.js';

describeSite('a supervisor that is killed while it tells the starter (%s)', {mayLeave: true, timeout: patience(20_000)}, (site) => {
  before(function () {
    need(this, !existsSync('/etc/tare/policy.yaml'), 'this node has a policy of its own, which would rule the tests');
  });

  it('is followed by a supervisor that reports again', async () => {
    const connections: Socket[] = [];
    const server = createServer((socket) => connections.push(socket));
    try {
      await new Promise<void>((resolve) => {
        server.listen(0, '127.0.0.1', resolve);
      });
      const scratch = join(site.directory, 'scratch', 'dir_1');
      mkdirSync(scratch);
      const file = (name: string, text: string): string => {
        writeFileSync(join(scratch, name), text);
        site.give(join(scratch, name));
        return join(scratch, name);
      };
      const id = `test#${String(process.pid)}#${String(Date.now())}`;
      const env = {
        PATH: '/usr/bin:/bin',
        _CONDOR_SCRATCH_DIR: scratch,
        _CONDOR_JOB_AD: file('.job.ad', `GlobalJobId = "${id}"\n`),
        _CONDOR_MACHINE_AD: file('.machine.ad', ''),
        _CONDOR_CHIRP_CONFIG: file('.chirp.config', `127.0.0.1 ${String((server.address() as AddressInfo).port)} cookie`),
      };
      site.give(scratch);
      const child = spawn(bin('tare-wrap'), ['/bin/sh', '-c', 'exit 3'], {cwd: scratch, env, ...site.credentials});
      const ended = ending(child);
      await until('the starter to be called', () => connections.length === 1);
      const supervisor = processes().find(({parent, argv}) => parent === child.pid && argv.some((each) => each.startsWith('@shim=')));
      process.kill(supervisor?.pid ?? 0, 'SIGKILL');
      expect((await ended).code).to.equal(3);
      expect(connections).to.have.length(2);
    } finally {
      for (const socket of connections) socket.destroy();
      server.close();
    }
  });
});
