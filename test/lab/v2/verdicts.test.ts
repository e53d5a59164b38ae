/** Whose memory limit killed: told right every time. On v2 the counters leave no doubt. */
import type {ChildProcess} from 'node:child_process';
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {verdictFromOutside, type MemoryEvents} from '../../../src/cgroup/manager.js';
import {describeSite} from '../../support/describe-site.js';
import {ending, payload, until} from '../../support/tare.js';
import {needPureV2, Slot} from './slot.js';

const TIMES = Number(process.env.TARE_LAB_TIMES ?? '20');
const NODE_BYTES = Number(/MemTotal:\s+(\d+) kB/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) * 1024;

/** Deadline: the guest is slow. */
const progress = (n: number): void => {
  if (n % 5 === 4 || n === 0) console.log(`      ${String(n + 1)} of ${String(TIMES)}`);
};
const touched = (child: ChildProcess): Promise<void> =>
  new Promise((resolve, reject) => {
    child.stdout?.once('data', () => {
      resolve();
    });
    child.once('exit', () => {
      reject(new Error('the first job of the slot ended'));
    });
  });

describeSite('whose memory limit it was, %s', {mayLeave: true, timeout: 120_000 * TIMES}, (site) => {
  before(needPureV2);

  it(`the payload's own, ${String(TIMES)} times`, async () => {
    const slot = new Slot(site, {'memory.max': '500M'});
    for (let n = 0; n < TIMES; n++) {
      const {record} = await slot.run(['--memory', '80MiB', '--', payload('touch-memory'), '120', '--hold', '60']);
      progress(n);
      expect(record.outcome).to.include({status: 'limit', limit: 'memory', limitScope: 'payload'});
      expect(record.outcome.evidence).to.match(/oom \+\d+ in \S+\/payload\/memory\.events/);
      expect(record.flags).to.include('killed').and.not.include('oom-verdict-uncertain');
    }
    await slot.remove();
  });

  it(`the slot's, by two jobs of it, ${String(TIMES)} times`, async () => {
    for (let n = 0; n < TIMES; n++) {
      const slot = new Slot(site, {'memory.max': '560M', 'memory.swap.max': '0'});
      // neither is over the slot's memory less the reserve, which is its own limit; the larger goes
      const first = slot.start(['--', payload('touch-memory'), '240', '--hold', '600']);
      await touched(first.child);
      const {record} = await slot.run(['--', payload('touch-memory'), '340', '--hold', '600']);
      first.child.kill('SIGTERM');
      const other = await slot.end(first);
      progress(n);
      expect(record.outcome).to.include({status: 'limit', limit: 'memory', limitScope: 'slot'});
      expect(record.outcome.evidence).to.include(`in ${slot.directory}/memory.events.local`);
      expect(record.flags).to.not.include('oom-verdict-uncertain');
      expect(other.record.outcome, 'the other job of the slot').to.include({status: 'stopped', limit: null});
      await slot.remove();
    }
  });

  it(`the node's, ${String(TIMES)} times`, async () => {
    const slot = new Slot(site);
    for (let n = 0; n < TIMES; n++) {
      const mib = String(Math.ceil((NODE_BYTES * 1.2) / 2 ** 20));
      // in parts: the kernel refuses one mapping that is larger than the node's memory
      const touch = [payload('touch-memory'), mib, '--processes', '4', '--hold', '60'];
      const {record} = await slot.run(['--memory', '64GiB', '--', ...touch]);
      progress(n);
      expect(record.outcome).to.include({status: 'limit', limit: 'memory', limitScope: 'node'});
      expect(record.flags).to.not.include('oom-verdict-uncertain');
    }
    await slot.remove();
  });

  it('a slot that is killed whole, wrapper and all: from outside', async () => {
    const slot = new Slot(site, {'memory.max': '400M', 'memory.swap.max': '0', 'memory.oom.group': '1'});
    const job = ['--', payload('touch-memory'), '200', '--hold', '60'];
    const both = [slot.start(job), slot.start(job)];
    const ends = await Promise.all(both.map(({child}) => ending(child)));
    expect(ends.map(({signal}) => signal)).to.deep.equal(['SIGKILL', 'SIGKILL']);
    const boxes = join(site.directory, 'state/boxes');
    const states = readdirSync(boxes).map(
      (id) => JSON.parse(readFileSync(join(boxes, id, 'box.json'), 'utf8')) as {memoryBefore: MemoryEvents; plan: {steps: object[]}},
    );
    expect(states).to.have.length(2);
    for (const {memoryBefore} of states) {
      const found = verdictFromOutside(memoryBefore);
      expect(found).to.include({whose: 'slot', certain: true});
      expect(found?.evidence).to.include(`in ${slot.directory}`);
    }
    expect(site.records().map(({state}) => state)).to.include('started');
    await until('an empty slot', () => slot.read('cgroup.events').includes('populated 0'));
  });
});
