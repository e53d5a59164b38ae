/** The memory limit of a slot in which the wrapper can make no groups: the kernel kills the payload there, and the record says so. */
import {spawn} from 'node:child_process';
import {existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {describeSite} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {bin, ending, isRoot, payload, until} from '../../support/tare.js';
import {hierarchies} from '../cgroup/machine.js';

describeSite('the memory limit of a slot without groups of the box’s own', {roles: ['user'], mayLeave: true}, (site) => {
  let slot = '';

  before(function () {
    const memory = isRoot ? hierarchies().find(({controllers}) => controllers.includes('memory')) : undefined;
    need(this, memory !== undefined, 'only root can make a slot, and this needs a hierarchy with the memory controller');
    slot = join(memory?.parent ?? '', `test-slot-${String(process.pid)}`);
    mkdirSync(slot);
    const file = ['memory.max', 'memory.limit_in_bytes'].map((name) => join(slot, name)).find(existsSync) ?? '';
    writeFileSync(file, String(100 * 2 ** 20));
    // the rest would go to swap
    for (const name of ['memory.swap.max', 'memory.swappiness']) if (existsSync(join(slot, name))) writeFileSync(join(slot, name), '0');
  });
  after(async () => {
    if (slot === '') return;
    await until('an empty slot', () => readFileSync(join(slot, 'cgroup.procs'), 'utf8') === '');
    rmdirSync(slot);
  });

  async function run(...argv: string[]): Promise<{record: {outcome: object}; stderr: string}> {
    const copy = join(site.directory, 'spool/copy.json');
    const script = 'echo $$ >"$0/cgroup.procs" && exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"';
    const tare = [bin('tare'), 'run', '--policy', site.policy(), '--record', copy, '--', ...argv];
    const {stderr} = await ending(spawn('/bin/sh', ['-c', script, slot, ...tare], {cwd: site.work}));
    expect(readdirSync(join(site.directory, 'spool')), stderr).to.include('copy.json');
    return {record: JSON.parse(readFileSync(copy, 'utf8')) as {outcome: object}, stderr};
  }

  it('kills the payload: the outcome names memory, the slot, and the counters that say so', async () => {
    const {record, stderr} = await run(payload('touch-memory'), '180', '--hold', '20');
    expect(record.outcome, stderr).to.include({status: 'limit', limit: 'memory', limitScope: 'slot', signal: 'SIGKILL'});
    expect(record.outcome)
      .to.have.property('evidence')
      .that.contains(slot)
      .and.matches(/^oom_kill \+\d+ in .*, (?:failcnt|oom) \+\d+ in /);
  });

  it('is not to blame for what was killed otherwise', async () => {
    const {record, stderr} = await run('/bin/sh', '-c', 'kill -9 $$');
    expect(record.outcome, stderr).to.include({status: 'signalled', limit: null, limitScope: null, signal: 'SIGKILL'});
  });
});
