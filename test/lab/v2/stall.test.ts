/** The limit without the kill: a payload that thrashes at its memory limit is ended; one that proceeds there is not. */
import {expect} from 'chai';
import {describeSite} from '../../support/describe-site.js';
import {payload} from '../../support/tare.js';
import {needPureV2, Slot} from './slot.js';

describeSite('at the memory limit, %s', {timeout: 120_000}, (site) => {
  let slot: Slot;
  before(needPureV2);
  beforeEach(() => {
    slot = new Slot(site);
  });
  afterEach(async () => {
    await slot.remove();
  });
  const limited = (command: readonly string[], policy: object = {memoryStall: '6s', grace: '1s'}) =>
    slot.run(['--memory', '100MiB', '--swap', '0', '--', ...command], policy);

  it('no progress: ended after the time of the policy, and it is no OOM', async () => {
    const {record, stdout} = await limited([payload('thrash'), '98', 'file', '64', '--seconds', '90']);
    console.log(`      ${String(record.outcome.evidence)}`);
    expect(stdout).to.equal('touched\n');
    expect(record.outcome).to.include({status: 'limit', limit: 'memory-stall', limitScope: 'payload', signal: 'SIGTERM'});
    expect(record.outcome.evidence).to.match(/^for \d+.*: limit hit \d+ times, .* no oom_kill$/);
    expect(record.usage.oomKills).to.equal(0);
    expect(record.usage.memLimitHits).to.be.above(100);
    expect(record.usage.memMajorFaults).to.be.above(50);
    expect(record.usage.memRefaults).to.be.above(500);
    expect(record.usage.pressure?.memory.fullUs).to.be.above(0);
    expect(record.time.wallUs).to.be.within(6e6, 40e6);
  });

  it('no progress, and the policy says never', async () => {
    const {record} = await limited([payload('thrash'), '98', 'file', '64', '--seconds', '15'], {memoryStall: 'never'});
    expect(record.outcome).to.include({status: 'completed', limit: null});
  });

  const proceeding: [title: string, command: string[]][] = [
    ['computes between its faults', ['thrash', '98', 'file', '64', '--seconds', '15', '--work', '300']],
    ['streams through a mapping, all else taken', ['thrash', '94', 'file', '64', '--seconds', '15', '--sequential']],
    ['streams through a mapping larger than the limit', ['thrash', '2', 'file', '300', '--seconds', '15', '--sequential']],
    ['jumps about in a mapping larger than the limit', ['thrash', '2', 'file', '300', '--seconds', '15']],
  ];
  for (const [title, [program = '', ...rest]] of proceeding) {
    it(`a payload that ${title} is let be`, async () => {
      const {record, stdout} = await limited([payload(program), ...rest]);
      expect(record.outcome, record.outcome.evidence ?? '').to.include({status: 'completed', limit: null});
      expect(record.usage.memLimitHits).to.be.above(0);
      console.log(`      ${stdout.trim().split('\n').at(-1) ?? ''}, limit hit ${String(record.usage.memLimitHits)} times`);
    });
  }

  it('a payload that reads files larger than the limit over and over is let be', async () => {
    const script = `${payload('read-file')} big 300 --hold 0 && end=$(($(date +%s) + 12)); while [ $(date +%s) -lt $end ]; do cat big > /dev/null; done; rm big`;
    const {record, stderr} = await limited(['/bin/sh', '-c', script]);
    expect(record.outcome, stderr).to.include({status: 'completed', limit: null});
    expect(record.usage.memLimitHits).to.be.above(100);
  });
});
