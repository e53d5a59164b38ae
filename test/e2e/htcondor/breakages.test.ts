/**
 * What breaks on a node that was set up as docs/howto/htcondor.md says, one thing after the other, while jobs of two accounts come: the node closes,
 * says why in its ad and to Prometheus, and opens when it is mended. At the periods that ship it takes some 12 minutes, so only a long run does
 * it; TARE_HEALTH_PERIOD=5 takes less. A long run then loads the machine for ten minutes, which is no reason to close.
 */

import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {LONG} from '../../support/need.js';
import {checkout, documentedNode} from './documented.js';
import {sleep} from './jobs.js';

/** Seconds between two looks; absent: as the documents have them. */
const PERIOD = process.env.TARE_HEALTH_PERIOD;
const SHIPPED_S = 20;
const period = Number(PERIOD ?? SHIPPED_S);
/** From the fault to a node on which no job starts; from the repair to one that takes a job. */
const DEADLINE_S = 60;
const MOST_LOST = 3;
/** A job comes so often. */
const EVERY_S = 10;

/** At normal priority, on however few cores. */
const BUSY = 50;
const LOADED_S = 600;

const PROMETHEUS = '/var/lib/prometheus/node-exporter';
const POLICY = `
schema: tare/policy/v1
mode: enforce
site: {name: EXAMPLE-T2}
box: required
exporters:
  prometheus: {file: ${PROMETHEUS}/tare.prom}
`;

/** As 0.12.0 does below a directory that only root may list: it cannot make the parents of what it mounts. */
const NO_PARENTS = `#!/bin/sh
for argument; do case $argument in --tmpfs) echo "bwrap: Can't mkdir parents for something: Permission denied" >&2; exit 1 ;; esac; done
exec /usr/bin/bwrap.whole "$@"
`;

interface Breakage {
  name: string;
  breaks: string;
  mends: string;
  /** What TareReason says. */
  reason: RegExp;
  /** What Prometheus is told. */
  fault: string;
}
const BREAKAGES: readonly Breakage[] = [
  {
    name: 'the folder is gone',
    breaks: 'mv "$(readlink -f /opt/tare)" /opt/away',
    mends: 'mv /opt/away "$(readlink -m /opt/tare)"',
    reason: /\/opt\/tare: bin and libexec are not there/,
    fault: 'folder',
  },
  {
    name: 'libexec is gone',
    breaks: 'mv /opt/tare/libexec /opt/tare/libexec.away',
    mends: 'mv /opt/tare/libexec.away /opt/tare/libexec',
    reason: /\/opt\/tare: bin and libexec are not there/,
    fault: 'folder',
  },
  {
    name: 'bubblewrap is gone',
    breaks: 'mv /usr/bin/bwrap /usr/bin/bwrap.whole',
    mends: 'mv /usr/bin/bwrap.whole /usr/bin/bwrap',
    reason: /engine: bubblewrap: in none of/,
    fault: 'engine',
  },
  {
    name: 'bubblewrap cannot make the parents',
    breaks: 'mv /usr/bin/bwrap /usr/bin/bwrap.whole; install -m 755 /root/no-parents /usr/bin/bwrap',
    mends: 'mv /usr/bin/bwrap.whole /usr/bin/bwrap',
    reason: /a box as (alice|nina): .*Can't mkdir parents/,
    fault: 'box',
  },
  {
    name: 'the spool cannot be written',
    breaks: 'chmod 755 /var/spool/tare',
    mends: 'chmod 1777 /var/spool/tare',
    reason: /spool: \/var\/spool\/tare: uid \d+ may not write there/,
    fault: 'spool',
  },
  {
    name: 'the policy is broken',
    breaks: "echo 'box: {' >/etc/tare/policy.d/20-broken.yaml",
    mends: 'rm /etc/tare/policy.d/20-broken.yaml',
    reason: /policy: .*20-broken/,
    fault: 'policy',
  },
  {
    name: 'the state place of one account is broken',
    breaks: 'mv /var/lib/tare-users/4711 /root/state-of-nina; install -m 600 /dev/null /var/lib/tare-users/4711',
    mends: 'rm /var/lib/tare-users/4711; mv /root/state-of-nina /var/lib/tare-users/4711',
    reason: /a box as nina: .*\/var\/lib\/tare-users\/4711/,
    fault: 'box',
  },
  {
    name: 'the disk is full',
    breaks: 'cat /dev/zero >/var/spool/tare/filler 2>/dev/null; [ -s /var/spool/tare/filler ]',
    mends: 'rm /var/spool/tare/filler',
    reason: /space: \/var\/spool\/tare: .* bytes are free/,
    fault: 'space',
  },
];

interface Measured {
  name: string;
  /** From the fault to the last start, and to the ad that says why. */
  lastStart: number | null;
  told: number;
  lost: number;
  /** From the repair to the next start that succeeded. */
  open: number;
}

/** Where it is not run, its words are looked at all the same. */
describe('breakages', () => {
  it('are told in words that docs/reference/exporters.md explains', () => {
    const page = readFileSync(join(checkout, 'docs/reference/exporters.md'), 'utf8');
    for (const {fault} of BREAKAGES) expect(page).to.include(`\n| \`${fault}\` | `);
  });
  if (LONG || PERIOD !== undefined) describe('of a node set up as docs/howto/htcondor.md says', onOneNode);
});

function onOneNode(this: Mocha.Suite): void {
  this.timeout(300_000);
  const documented = documentedNode();
  const root = (script: string, seconds?: number): Promise<string> => documented().root(script, seconds);
  const measured: Measured[] = [];

  before(async () => {
    // a disk of its own for records, as a partition of /var would be
    await root(
      'truncate -s 48M /root/disk; mkfs.ext4 -q /root/disk; install -d /var/spool/tare; mount -o loop /root/disk /var/spool/tare; rmdir /var/spool/tare/lost+found',
    );
    await documented().node.write('/root/no-parents', NO_PARENTS, {mode: '755'});
    await documented().follow(POLICY);
    if (PERIOD !== undefined) {
      const lines = `TARE_HEALTH_PERIOD = ${PERIOD}\nTARE_HEALTH_OLDEST = ${String(3 * period)}\n`;
      await documented().node.write('/etc/condor/config.d/99-test.conf', lines);
    }
    // docs/reference/exporters.md: what the node tells Prometheus, and what its batch system was told
    await root(
      `install -d ${PROMETHEUS}; ln -s "$(condor_config_val LOCK)/tare-health.prom" ${PROMETHEUS}/; (while :; do tare records export prometheus --quiet; sleep ${String(Math.min(60, 3 * period))}; done) >/dev/null 2>&1 &`,
    );
    await documented().launch(PERIOD === undefined ? undefined : period);
    await documented().becomes(/^true true/, ['TareHealthy', 'Start']);
    // each account has had a job: root's timer tries boxes as both from then on
    for (const account of ['alice', 'nina']) await submit(account);
    await drained(90);
  });
  after(() => {
    const rows = measured.map(({name, lastStart, told, lost, open}) =>
      [name, lastStart === null ? '-' : lastStart.toFixed(0), told.toFixed(0), String(lost), open.toFixed(0)].join(' | '),
    );
    console.log(
      [
        `looks every ${String(period)} s, a job every ${String(EVERY_S)} s; seconds`,
        'breakage | last start | told | starts lost | open again',
        ...rows,
      ].join('\n'),
    );
  });

  // the lease: as in node.test.ts
  const JOB = `executable = /bin/true
log = /tmp/jobs.log
job_lease_duration = 30
request_memory = 128
request_cpus = 1
queue
`;
  const submit = async (account: string): Promise<void> => {
    const {status, text} = await documented().node.sh(
      `cat >job.sub <<'END'\n${JOB.replace('jobs.log', `${account}.log`)}END\ncondor_submit job.sub`,
      {
        account,
      },
    );
    expect(status, text).to.equal(0);
  };
  /** Before 24.0.11 a schedd forgets a job that cools down until something happens to one, and on a site's schedd something always does. */
  const drained = (seconds: number): Promise<string> =>
    root(
      `for i in $(seq ${String(seconds)}); do [ -n "$(condor_q -allusers -af ClusterId)" ] || return 0; condor_prio -p $i -a >/dev/null 2>&1; sleep 1; done; condor_q -allusers; return 1`,
      seconds + 10,
    );
  /** Waits for the end of all claims: they are used on a closed node too. */
  const unclaimed = (seconds: number): Promise<string> =>
    root(
      `sleep 2; for i in $(seq ${String(seconds)}); do [ -n "$(condor_status -constraint DynamicSlot -af Name)" ] || return 0; sleep 1; done; condor_status; return 1`,
      seconds + 30,
    );
  /** Events of both accounts' jobs: number, job, and when, seconds since 1970. */
  const events = async (kind: '001' | '005'): Promise<number[]> => {
    const text = await root(
      `cat /tmp/alice.log /tmp/nina.log | sed -n 's/^${kind} ([^)]*) \\([-0-9]* [:0-9]*\\) .*/\\1/p' | date +%s -f -`,
    );
    return text === '' ? [] : text.split('\n').map(Number);
  };
  const now = (): number => Date.now() / 1000;

  for (const {name, breaks, mends, reason, fault} of BREAKAGES) {
    it(`${name}: closed, with the reason, and open again`, async () => {
      const before = {starts: (await events('001')).length, ends: (await events('005')).length};
      const broken = Math.floor(now());
      await root(breaks);
      const enough = new AbortController();
      let turn = 0;
      const coming = (async () => {
        while (!enough.signal.aborted) {
          await submit(['nina', 'alice'][turn++ % 2] ?? '');
          await sleep(EVERY_S * 1000);
        }
      })();
      let mended = 0;
      let told = 0;
      try {
        const pattern = new RegExp(`^false false .*${reason.source}`);
        await documented().becomes(pattern, ['TareHealthy', 'Start', 'TareReason'], DEADLINE_S);
        told = now() - broken;
        await unclaimed(DEADLINE_S); // what had been matched before
        const closed = (await events('001')).length;
        const prom = await root(`cat ${PROMETHEUS}/tare-health.prom`);
        expect(`${prom}\n`)
          .to.match(/^tare_batch_healthy 0$/m)
          .and.include(`tare_batch_fault{fault="${fault}"} 1\n`);
        await sleep((period + 5) * 1000);
        expect((await events('001')).length, 'starts on a closed node').to.equal(closed);
      } finally {
        enough.abort();
        await coming;
        mended = Math.floor(now());
        await root(mends);
      }
      const starts = (await events('001')).slice().sort();
      const last = starts.at(-1) ?? 0;
      await documented().becomes(/^true true/, ['TareHealthy', 'Start'], DEADLINE_S);
      await drained(90);
      const after = (await events('001')).sort().find((time) => time >= mended) ?? Infinity;
      // a start that succeeded has an end
      const lost = (await events('001')).length - before.starts - ((await events('005')).length - before.ends);
      const row = {name, lastStart: starts.length > before.starts ? last - broken : null, told, lost, open: after - mended};
      measured.push(row);
      expect(row.lastStart ?? 0).to.be.at.most(DEADLINE_S);
      expect(row.open).to.be.at.most(DEADLINE_S);
      expect(lost, 'starts that were lost').to.be.at.most(MOST_LOST);
    });
  }

  if (LONG) {
    it(`load ${String(BUSY)} for ${String(LOADED_S / 60)} minutes, and an account that reports a hundred failures which are none: open all the time`, async function () {
      this.timeout((LOADED_S + 300) * 1000);
      const before = (await events('001')).length;
      await root(`for i in $(seq ${String(BUSY)}); do sh -c 'while :; do :; done' >/dev/null & echo $!; done >/root/busy`);
      const began = now();
      const seen: {healthy: string; start: string; age: number; found: string}[] = [];
      let [reported, submitted, most] = [false, 0, 0];
      try {
        while (now() < began + LOADED_S) {
          if (now() - began > submitted * EVERY_S * 3) await submit(['nina', 'alice'][submitted++ % 2] ?? '');
          if (!reported && now() - began > 60) {
            reported = true;
            const lines = Array.from({length: 100}, (_, index) => `${String(Date.now())} failed BOX_UNAVAILABLE ${index.toString(16)}`);
            const {status} = await documented().node.sh(
              `printf '%s\\n' ${lines.map((line) => `'${line}'`).join(' ')} >>/var/lib/tare/node/reports/1000`,
              {
                account: 'alice',
              },
            );
            expect(status).to.equal(0);
          }
          const [healthy = '', start = '', age = ''] = (
            await documented().status('TareHealthy', 'Start', 'MyCurrentTime-TareHealthTime', 'TareReason')
          ).split(' ');
          const found = await root('grep -o \'"healthy":[a-z]*\' /var/lib/tare/node/health.json | head -n 1');
          if (healthy !== '') seen.push({healthy, start, age: Number(age), found});
          most = Math.max(most, Number(await root('cut -d" " -f1 /proc/loadavg')));
          await sleep(2000);
        }
      } finally {
        await root('kill $(cat /root/busy)');
      }
      await drained(120);
      const starts = (await events('001')).slice(before).sort();
      const gaps = [began, ...starts].map((time, index, all) => (all[index + 1] ?? began + LOADED_S) - time);
      const oldest = Math.max(...seen.map(({age}) => age));
      console.log(
        `load ${String(most)}; looked ${String(seen.length)} times: oldest answer ${String(oldest)} s; ${String(starts.length)} jobs started, ${Math.max(...gaps).toFixed(0)} s without a start at most`,
      );
      expect(most).to.be.above(BUSY * 0.9);
      expect(seen).to.have.length.above(LOADED_S / 30);
      expect(
        seen.filter(
          ({healthy, start, age, found}) => healthy !== 'true' || start !== 'true' || age > 3 * period || found !== '"healthy":true',
        ),
      ).to.deep.equal([]);
      expect(Math.max(...gaps)).to.be.below(90);
      expect(starts.length).to.equal(submitted);
    });
  }
}
