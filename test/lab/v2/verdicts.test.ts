/** Whose memory limit killed: told right every time. On v2 the counters leave no doubt. */
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {verdictFromOutside, type MemoryEvents} from '../../../src/cgroup/manager.js';
import {ending, payload, ROLES, Site, until} from '../../support/tare.js';
import {needPureV2, Slot} from './slot.js';

const TIMES = Number(process.env.TARE_LAB_TIMES ?? '20');
const NODE_BYTES = Number(/MemTotal:\s+(\d+) kB/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) * 1024;

for (const role of ROLES) {
  describe(`whose memory limit it was, ${role}`, function () {
    this.timeout(60_000 * TIMES);
    let site: Site;
    before(() => {
      needPureV2();
      site = new Site(role);
    });
    after(() => {
      site.remove();
    });

    it(`the payload's own, ${String(TIMES)} times`, async () => {
      const slot = new Slot(site, {'memory.max': '500M'});
      for (let n = 0; n < TIMES; n++) {
        const {record} = await slot.run(['--memory', '80MiB', '--', payload('touch-memory'), '120', '--hold', '60']);
        expect(record.outcome).to.include({status: 'limit', limit: 'memory', whose: 'payload'});
        expect(record.outcome.evidence).to.match(/oom \+\d+ in \S+\/payload\/memory\.events/);
        expect(record.flags).to.include('killed').and.not.include('oom-verdict-uncertain');
      }
      await slot.remove();
    });

    it(`the slot's, by two jobs of it, ${String(TIMES)} times`, async () => {
      for (let n = 0; n < TIMES; n++) {
        const slot = new Slot(site, {'memory.max': '560M', 'memory.swap.max': '0'});
        const job = ['--', payload('touch-memory'), '240', '--hold', '6'];
        const ended = await Promise.all([slot.run(job), slot.run(job)]);
        const outcomes = ended.map(({record: {outcome}}) => outcome);
        const killed = outcomes.filter(({status}) => status === 'limit');
        expect(killed.length, JSON.stringify(outcomes)).to.be.within(1, 2);
        for (const outcome of killed) {
          expect(outcome).to.include({limit: 'memory', whose: 'slot'});
          expect(outcome.evidence).to.include(`in ${slot.directory}/memory.events.local`);
        }
        for (const {record} of ended) expect(record.flags).to.not.include('oom-verdict-uncertain');
        await slot.remove();
      }
    });

    it(`the node's, ${String(TIMES)} times`, async () => {
      const slot = new Slot(site);
      for (let n = 0; n < TIMES; n++) {
        const {record} = await slot.run(['--', payload('touch-memory'), String(Math.ceil((NODE_BYTES * 1.2) / 2 ** 20)), '--hold', '60']);
        expect(record.outcome).to.include({status: 'limit', limit: 'memory', whose: 'node'});
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
}
