/** A user in control groups that are its own, as a batch system delegates them: the limits hold against the payload itself. */
import {chownSync, mkdirSync, readdirSync, rmdirSync} from 'node:fs';
import {join} from 'node:path';
import {spawn} from 'node:child_process';
import {expect} from 'chai';
import {describeSite} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {bin, ending, isRoot, payload} from '../../support/tare.js';
import {hierarchies} from '../cgroup/machine.js';

const NOBODY = 65534;

describeSite('delegated v1 groups', {roles: ['user'], mayLeave: true}, (site) => {
  let slot = '';

  before(function () {
    const memory = isRoot ? hierarchies().find(({version, controllers}) => version === 1 && controllers.includes('memory')) : undefined;
    need(this, memory !== undefined, 'only root can delegate groups, and this needs a v1 memory hierarchy');
    slot = join(memory?.parent ?? '', `test-slot-${String(process.pid)}`);
    mkdirSync(slot);
    chownSync(slot, NOBODY, NOBODY);
    for (const name of readdirSync(slot)) chownSync(join(slot, name), NOBODY, NOBODY);
  });
  after(() => {
    if (slot !== '') rmdirSync(slot);
  });

  /** `tare run` of the user, started inside the slot. */
  async function run(...argv: string[]): Promise<{code: number | null; stdout: string; stderr: string}> {
    const script = 'echo $$ >"$0/cgroup.procs" && exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"';
    const tare = [bin('tare'), 'run', '--policy', site.policy({seccomp: 'pilot'}), '--memory', '64MiB', '--', ...argv];
    return ending(spawn('/bin/sh', ['-c', script, slot, ...tare], {cwd: site.work}));
  }

  it('are used, and enforced by the kernel', async () => {
    await run(payload('touch-memory'), '180', '--hold', '20');
    const record = site.records().at(-1);
    expect(record?.limits?.memory).to.include({enforcement: 'kernel', by: 'cgroup1:memory.limit_in_bytes'});
    expect(record?.outcome).to.include({status: 'limit', limit: 'memory', limitScope: 'payload'});
    expect(site.leftovers()).to.deep.equal([]);
  });

  it('a cgroup namespace of the payload does not show it the files of its own limits', async () => {
    const lift =
      'mkdir -p /tmp/m; mount -t cgroup -o memory none /tmp/m && for f in memory.memsw.limit_in_bytes memory.limit_in_bytes; do echo -1 >/tmp/m/$f; done; cat /proc/self/cgroup';
    const {code, stdout} = await run('/bin/sh', '-c', `unshare -UrmC sh -c '${lift}'; exec ${payload('touch-memory')} 180`);
    expect([code, stdout.includes('touched')], stdout).to.not.deep.equal([0, true]);
    expect(stdout).to.match(/memory:\/\n/); // it was in a namespace of its own, and tried
  });
});
