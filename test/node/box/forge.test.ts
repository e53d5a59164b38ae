/** What a payload may try against its own record and its wrapper, from inside its box and, as the same user, from outside. */
import {expect} from 'chai';
import {chmodSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {canonicalJson} from '../../../src/plan/canonical.js';
import type {UsageRecord} from '../../../src/record/record.js';
import {describeSite} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {below, ending, isRoot, program, until} from '../../support/tare.js';

/** Each prints a line when it succeeds, which none may. */
const ATTEMPTS = `
  exec 2>/dev/null
  echo forged > "$SPOOL/forged.json" && echo "wrote to the spool"
  ln -s /etc/passwd "$SPOOL/link" && echo "made a link in the spool"
  test -n "$(ls "$SPOOL")" && echo "saw the spool"
  cat "$STATE"/boxes/*/box.json && echo "read the state"
  echo '{}' > "$STATE/boxes/x" && echo "wrote to the state"
  mount -t tmpfs none "$SPOOL" && echo "mounted over the spool"
  umount "$SPOOL" && echo "unmounted what hides the spool"
  for place in "$SPOOL" "$STATE"; do
    chmod 700 "$place"
    echo x > "$place/x" && echo "wrote to what hides $place"
  done
  cat "$SECRET" && echo "read a secret of an exporter"
  for pid in $PARTS; do
    kill -9 "$pid" && echo "killed $pid"
    cat "/proc/$pid/environ" && echo "read $pid"
    test -e "/proc/$pid/fd" && echo "saw $pid"
    python3 -c "import ctypes, sys; sys.exit(ctypes.CDLL(None).ptrace(16, $pid, 0, 0))" && echo "traced $pid"
  done
  kill -9 1 # taken, and without effect from inside (pid_namespaces(7)); else nobody is here to say so
  sleep 0.2
  echo tried
`;

/** Not in a private directory of the box's, so that spool and state are hidden by covers. */
const OPEN = isRoot ? {parent: '/var/lib'} : {};

describeSite('a payload against its record, %s', {...OPEN, each: true, mayLeave: true, timeout: patience(30_000)}, (site) => {
  it('cannot write, see, unhide, trace, signal or read what belongs to the wrapper or to other jobs', async function () {
    need(this, program('python3') !== null, 'python3 traces');
    const secret = join(site.directory, 'auditor.key');
    writeFileSync(secret, 'secret');
    chmodSync(secret, 0o600);
    const script = `while ! test -e parts; do sleep 0.05; done; PARTS=$(cat parts); ${ATTEMPTS}`;
    const child = site.start(['run', '--policy', site.policy({box: 'required'}), '--', '/bin/sh', '-c', script], {
      env: {
        PATH: process.env.PATH,
        SPOOL: join(site.directory, 'spool'),
        STATE: join(site.directory, 'state'),
        // root's own reads everything anyway: as on a node, root's secrets are tried by a user's payload
        SECRET: secret,
      },
    });
    const end = ending(child);
    const parts = await until('all parts', () => {
      const family = below(child.pid ?? 0);
      return family.some(({argv}) => argv[0] === '/bin/sh')
        ? family.filter(({argv}) => argv[0] !== '/bin/sh' && argv[0] !== 'sleep')
        : null;
    });
    expect(parts.length).to.be.at.least(4); // shim, supervisor, engine, init
    writeFileSync(join(site.work, 'parts'), parts.map(({pid}) => pid).join(' '));
    const {stdout, code} = await end;
    expect([code, stdout]).to.deep.equal([0, 'tried\n']);
    expect(site.records().map(({state, outcome}) => [state, outcome.status])).to.deep.equal([['final', 'completed']]);
  });
});

describeSite('the same user outside of the box', {roles: ['user'], mayLeave: true, timeout: patience(30_000)}, (site) => {
  it('can change a record until it is sealed, as docs/explanation/accounting.md says; afterwards only root can', async function () {
    need(this, isRoot, 'only root seals');
    const places = Object.fromEntries(['state', 'spool', 'scratch', 'sealed'].map((name) => [name, join(site.directory, name)]));
    const policy = site.policy({directories: places});
    await site.command(['run', '--policy', policy, '--', '/bin/true']);
    const [record] = site.records() as [UsageRecord];
    const path = join(site.directory, 'spool', `${record.recordId}.json`);
    const program_ = `require('node:fs').writeFileSync(process.argv[1], process.argv[2])`;
    const changed = `${canonicalJson({...record, usage: {...record.usage, largestProcessBytes: 1}})}\n`;
    const as = async (file: string): Promise<number | null> => {
      const {spawn} = await import('node:child_process');
      return (await ending(spawn(process.execPath, ['-e', program_, file, changed], {uid: 65534, gid: 65534, cwd: '/'}))).code;
    };
    expect(await as(path)).to.equal(0);
    const {code} = await site.command(['records', 'seal', '--policy', policy], {uid: 0, gid: 0});
    expect(code).to.equal(0);
    const sealed = join(site.directory, 'sealed', record.recordId.slice(0, 2), `${record.recordId}.json`);
    const kept = JSON.parse(readFileSync(sealed, 'utf8')) as UsageRecord;
    expect([kept.usage.largestProcessBytes, kept.trust, kept.sealed?.uid]).to.deep.equal([1, 'user', 65534]);
    expect(await as(sealed)).to.not.equal(0);
    expect(JSON.parse(readFileSync(sealed, 'utf8'))).to.deep.equal(kept);
  });
});
