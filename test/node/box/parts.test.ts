/** Wrappers in a box, in the record of the box around: as they reported, also when they or the listener are killed. */

import {expect} from 'chai';
import {existsSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {MOST_PARTS, type RecordChild} from '../../../src/record/parts.js';
import type {UsageRecord} from '../../../src/record/record.js';
import validate from '../../../src/schema/generated/record-2.validator.js';
import {describeSite} from '../../support/describe-site.js';
import {patience} from '../../support/pace.js';
import {below, bin, ending, payload, send, until} from '../../support/tare.js';

const INNER = `${bin('tare')} run`;
const shell = (script: string): string[] => ['--', '/bin/sh', '-c', script];
const statuses = (list: readonly RecordChild[]): [string, string, number | null][] =>
  list.map(({state, outcome}) => [state, outcome.status, outcome.exitCode]);

describeSite('parts of a record (%s)', {mayLeave: true, timeout: patience(60_000)}, (site, role) => {
  /** Of what the payload left in its work directory. */
  const partsOf = (record: UsageRecord): RecordChild[] => {
    expect(validate(JSON.parse(JSON.stringify(record))), JSON.stringify(record.children)).to.equal(true);
    expect(record.children?.trust).to.equal('self-reported');
    return record.children?.list ?? expect.fail('the parts were not listened to');
  };

  it('are in it with their limits and figures, and are weighed once', async () => {
    const {code, stdout, record} = await site.run([
      ...['--memory', '1GiB', '--cores', '1'],
      ...shell(
        `${INNER} --json --memory 512MiB --name burner -- /bin/sh -c '${payload('burn')} 1 >&2'; ${INNER} -- /bin/sh -c 'exit 3'; ` +
          `${INNER} --pattern vm-lite -- /bin/true 2>/dev/null; true`,
      ),
    ]);
    expect(code).to.equal(0);
    const inner = JSON.parse(stdout) as UsageRecord;
    const list = partsOf(record);
    const [burner, failed, refused] = list;
    expect(statuses(list)).to.deep.equal([
      ['final', 'completed', 0],
      ['final', 'failed', 3],
      ['final', refused?.outcome.status, null],
    ]);
    expect([failed?.name, refused?.name]).to.deep.equal(['sh', 'true']);
    expect(refused?.outcome.status).to.be.oneOf(['refused', 'wrapper-failure']);
    expect([burner?.recordId, burner?.name, burner?.pattern, burner?.mode, burner?.limits.memory]).to.deep.equal([
      inner.recordId,
      'burner',
      'ulimit++',
      'limits-only',
      2 ** 29,
    ]);
    expect(burner?.wallUs).to.equal(inner.time.wallUs);
    expect(burner?.usage).to.deep.equal({
      cpuUserUs: inner.usage.cpuUserUs,
      cpuSystemUs: inner.usage.cpuSystemUs,
      memPeakBytes: inner.usage.memPeakBytes,
    });
    expect(inner.parent?.recordId).to.equal(record.recordId);
    // a second of CPU, and what three wrappers cost: not two
    expect((record.usage.cpuUserUs ?? 0) / (burner?.usage.cpuUserUs ?? 1)).to.be.above(0.9);
    expect(site.leftovers()).to.deep.equal([]);
  });

  it('where nothing is wrapped there are none', async () => {
    expect(partsOf((await site.run(['--', '/bin/true'])).record)).to.deep.equal([]);
  });

  it('are told without a box too, and name the record of the wrapper around', async () => {
    site.failed();
    const {stdout, record} = await site.run(shell(`${INNER} --json -- /bin/true`), {
      policy: {batch: {blackHole: {failures: 1, within: '1h', then: 'unboxed'}}},
      env: {PATH: process.env.PATH, HOME: site.directory},
    });
    const inner = JSON.parse(stdout) as UsageRecord;
    expect([record.mode, inner.mode]).to.deep.equal(['limits-only', 'limits-only']);
    expect(inner.parent?.recordId).to.equal(record.recordId);
    expect(partsOf(record).map(({recordId}) => recordId)).to.deep.equal([inner.recordId]);
  });

  it('that were killed whole have started, and one whose shim was killed says so', async () => {
    const {record} = await site.run(
      shell(
        `${INNER} -- /bin/sh -c 'echo $PPID >shim; touch one; sleep 600' & while [ ! -e one ]; do sleep 0.1; done; kill -9 $!; ` +
          `${INNER} -- /bin/sh -c 'touch two; sleep 600' & while [ ! -e two ]; do sleep 0.1; done; sleep 1`,
      ),
    );
    expect(statuses(partsOf(record))).to.deep.equal([
      ['final', 'wrapper-failure', record.children?.list[0]?.outcome.exitCode ?? null],
      ['started', 'running', null],
    ]);
    expect(record.outcome.status).to.equal('completed');
  });

  it('reports that come while no supervisor runs are read by the next one', async () => {
    const [told, go] = ['told', 'go'].map((name) => join(site.work, `${name}-${role}`)) as [string, string];
    const recordFile = join(site.directory, 'spool', 'copy-supervisor.json');
    const child = site.start([
      ...['run', '--policy', site.policy(), '--record', recordFile],
      ...shell(
        `touch ${told}.1; while [ ! -e ${go}.1 ]; do sleep 0.1; done; ${INNER} --name unheard -- /bin/true; ` +
          `touch ${told}; while [ ! -e ${go} ]; do sleep 0.1; done; ${INNER} --name late -- /bin/true`,
      ),
    ]);
    const end = ending(child);
    await until('the payload', () => existsSync(`${told}.1`), 30);
    const supervisor = below(child.pid ?? 0).find(
      ({comm, argv, parent}) => parent === child.pid && (comm.startsWith('@supervisor') || argv.some((word) => word.startsWith('@shim='))),
    );
    if (supervisor === undefined) throw new Error('there is no supervisor');
    send(supervisor.pid, 'SIGSTOP');
    writeFileSync(`${go}.1`, '');
    await until('a wrapper without a listener', () => existsSync(told), 30);
    send(supervisor.pid, 'SIGKILL');
    writeFileSync(go, '');
    expect((await end).code).to.equal(0);
    const [record] = site.records().filter(({recordId, flags}) => recordId !== '' && flags.includes('supervisor-lost'));
    if (record === undefined) throw new Error('there is no record');
    expect(partsOf(record).map(({name, state}) => [name, state])).to.deep.equal([
      ['unheard', 'final'],
      ['late', 'final'],
    ]);
  });

  it('whatever a payload writes there costs it the record of nothing, and is bounded', async () => {
    const line = (id: string, name = 'null', more = ''): string =>
      `{"recordId":"00000000-0000-5000-8000-${id}","state":"started","name":${name},"pattern":null,"mode":null,"startEpochUs":null,` +
      `"wallUs":null,"limits":{"cores":null,"memory":null,"wallTime":null,"cpuTime":null},"net":{"cpuUserUs":null,"cpuSystemUs":null,` +
      `"memPeakBytes":null},"outcome":{"status":"running","exitCode":null,"signal":null,"limit":null}${more}}`;
    const strange = [
      'null',
      '[]',
      '{}',
      line('00000000000a', '"\\u001b[2J"'),
      line('00000000000b', '7'),
      line('00000000000c').replace('"wallUs":null', '"wallUs":-1'),
      line('00000000000d').replace('"wallUs":null', '"wallUs":1e300'),
      line('00000000000e').replace('running', 'fine'),
      line('00000000000f').replace('"limits":{', '"limits":[{').replace('},"net"', '}],"net"'),
      line('x'),
    ];
    const script = [
      'exec 3>/dev/tare/parts',
      'head -c 300000 /dev/zero >&3',
      'head -c 100000 /dev/urandom >&3; echo >&3',
      ...strange.map((text) => `printf '%s\\n' '${text}' >&3`),
      `printf '%s' '${line('000000000001', '"in two"').slice(0, 50)}' >&3; sleep 0.5; printf '%s\\n' '${line('000000000001', '"in two"').slice(50)}' >&3`,
      `i=2; while [ $i -lt ${String(MOST_PARTS + 40)} ]; do printf '${line('%012d', 'null', ',"more":1')}\\n' $i >&3; i=$((i+1)); done`,
      `${INNER} -- /bin/true`,
      'rm -f /dev/tare/parts 2>/dev/null; echo done',
    ];
    const {code, stdout, stderr, record} = await site.run(shell(script.join('\n')));
    expect([code, stdout], stderr).to.deep.equal([0, 'done\n']);
    const list = partsOf(record);
    expect(list).to.have.length(MOST_PARTS);
    expect([list[0]?.name, list[1]?.recordId]).to.deep.equal(['in two', '00000000-0000-5000-8000-000000000002']);
    expect(record.children?.others).to.equal(40);
    expect(Object.keys(list[1] ?? {})).to.not.include('more');
  });
});
