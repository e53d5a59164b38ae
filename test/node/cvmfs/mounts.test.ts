/**
 * Repositories that the node has not got, and that Tare mounts for the job. The client is a stand-in (client.ts), and
 * once more the real one where the machine has it.
 */
import {expect} from 'chai';
import {spawn, type ChildProcess} from 'node:child_process';
import {
  copyFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {createServer, type AddressInfo} from 'node:net';
import {homedir} from 'node:os';
import {fileURLToPath} from 'node:url';
import {join} from 'node:path';
import {hasSquashfuse} from '../../support/cvmfs.js';
import {describeSite} from '../../support/describe-site.js';
import {BUSYBOX, busyboxImage} from '../../support/machine.js';
import {LONG, need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {
  below,
  bin,
  ending,
  isRoot,
  processes,
  program,
  send,
  until,
  type RunOutput,
  type ProcessEntry,
  type Site,
} from '../../support/tare.js';
import {PYTHON, realClient, standIn, TOUCH, type TestClient} from './client.js';

type Kind = (place: string) => TestClient;
const real = realClient();
const KINDS: [string, Kind][] = [
  ['a stand-in for the client', standIn],
  ...(real === null ? [] : [['cvmfs2', () => real] as [string, Kind]]),
];

const WITHOUT = fileURLToPath(new URL('../../support/without-syscalls.py', import.meta.url));
const [OPEN_TREE, PIDFD_OPEN] = ['428', '434'];

/** Each has a client of its own. In a long run they are more, as are those that share one (boxes.test.ts). */
const JOBS = Math.min(50, Number(process.env.TARE_BOXES ?? (LONG ? '50' : '20')));
const AT_ONCE = 5;

/** A port without a listener. */
const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const {port} = server.address() as AddressInfo;
      server.close(() => {
        resolve(port);
      });
    });
  });

const isStopped = (pid: number): boolean =>
  readdirSync(`/proc/${String(pid)}/task`).every((task) =>
    readFileSync(`/proc/${String(pid)}/task/${task}/stat`, 'latin1').includes(') T '),
  );

for (const [title, kind] of KINDS)
  describeSite(`repositories that Tare mounts, ${title}, %s`, {each: true, mayLeave: true, timeout: patience(120_000)}, (site, role) => {
    let place: string;
    let root: string;
    let client: TestClient;
    before(function () {
      need(this, existsSync('/dev/fuse'), '/dev/fuse is missing');
      need(this, kind !== standIn || hasSquashfuse(), 'squashfuse or mksquashfs is missing');
    });
    beforeEach(() => {
      // outside of what is private in a box
      place = mkdtempSync(join(isRoot ? '/srv' : homedir(), 'tare-mounts-'));
      chmodSync(place, 0o755);
      root = join(place, 'cvmfs');
      mkdirSync(root);
      client = kind(place);
    });
    afterEach(async () => {
      await until('the end of all clients', () => clients().length === 0);
      expect(site.leftovers()).to.deep.equal([]);
      rmSync(place, {recursive: true});
    });

    const policy = (more: object = {}, mount: object = {}): object => ({
      box: 'required',
      cvmfs: {root, deadline: '5s', shareFor: '0s', mount: {...client.mount, ...mount}, ...more},
    });
    const shell = (script: string, ...argv: string[]): string[] => ['--', '/bin/sh', '-c', script, 'sh', root, ...argv];
    const run = (argv: string[], more: object = {}, mount: object = {}): Promise<RunOutput> =>
      site.run(argv, {policy: policy(more, mount)});
    const first = (): string => client.names[0];
    /** Processes that serve a repository for a job of this site. */
    const clients = (): ProcessEntry[] =>
      processes().filter(
        ({argv, comm, state}) =>
          state !== 'Z' &&
          (comm === 'tare-mounter' || argv.at(-1)?.startsWith('/dev/fd/') === true) &&
          argv.some((word) => word.includes(site.directory) || word.includes(place)),
      );
    const servers = (): ProcessEntry[] => clients().filter(({comm}) => comm !== 'tare-mounter');
    const begin = async (
      script: string,
      more: object = {},
      mount: object = {},
    ): Promise<{pid: number; end: ReturnType<typeof ending>; go: () => void}> => {
      const child = site.start([
        'run',
        '--policy',
        site.policy(policy(more, mount)),
        '--cvmfs',
        first(),
        ...shell(`echo ready; read -r _; ${script}`, first()),
      ]);
      const end = ending(child);
      // it has no reader when the wrapper was killed
      child.stdin?.on('error', () => undefined);
      await Promise.race([
        new Promise((resolve) => child.stdout?.once('data', resolve)),
        end.then(({stderr}) => Promise.reject(new Error(stderr))),
      ]);
      return {pid: child.pid ?? 0, end, go: () => child.stdin?.end('go\n')};
    };

    it('a named one is in the box, read-only, and no other; the record says who mounted it; nothing is left', async () => {
      const script = '"$1/$2/bin/analyse" && ls "$1" && grep -F "$1/$2 " /proc/self/mountinfo | tail -n 1; touch "$1/$2/x" "$1/x"';
      const ended = await run(['--cvmfs', first(), ...shell(script, first())]);
      const [sum, listing, mount] = ended.stdout.trim().split('\n');
      expect([ended.code, sum, listing], ended.stderr).to.deep.equal([1, 'sum 55', first()]);
      expect(mount).to.match(/ ro,nosuid,nodev[ ,].* - fuse cvmfs2 /);
      expect(ended.stderr.match(/Read-only file system/g)).to.have.length(2);
      const [entry, ...others] = ended.record.cvmfs;
      expect(others).to.deep.equal([]);
      expect(entry).to.include({
        ...{repository: first(), state: 'ok', stateAtEnd: 'ok', reason: null, mounted: 'tare', fileSystem: 'fuse', ioErrorsGained: 0},
      });
      expect(entry?.revision).to.be.above(0);
      expect(entry?.revisionAtEnd).to.equal(entry?.revision);
      expect(entry?.clientVersion).to.match(/^2\./);
      expect(readdirSync(root)).to.deep.equal([]);
    });

    it('beside one that the node has; where the job names none, those that the policy requires', async () => {
      const node = join(root, 'node.example.org');
      mkdirSync(join(node, 'here'), {recursive: true});
      const both = await run([
        '--cvmfs',
        `node.example.org,${first()}`,
        ...shell('ls "$1" "$1/node.example.org"; "$1/$2/bin/analyse"', first()),
      ]);
      expect(both.stdout, both.stderr).to.include('node.example.org:\nhere\n').and.include('sum 55\n');
      expect(both.record.cvmfs.map(({mounted, state}) => [mounted, state])).to.deep.equal([
        [null, 'ok'],
        ['tare', 'ok'],
      ]);
      const required = await run(shell('"$1/$2/bin/analyse"', first()), {required: [first()]});
      expect(required.stdout, required.stderr).to.equal('sum 55\n');
    });

    it('the node has no directory for repositories, and it would not lie right below /: refused, and none is made there', async () => {
      rmdirSync(root);
      const ended = await run(['--cvmfs', first(), ...shell('true')]);
      expect(ended.code, ended.stderr).to.equal(125);
      expect(ended.stderr).to.include(`the box needs a directory ${root} on the node, since it does not lie right below /: make it, empty`);
      expect(existsSync(root)).to.equal(false);
    });

    it('the node has no directory for repositories: there is one in the box', async () => {
      rmdirSync(root);
      const place = `/tare-${process.pid.toString()}`;
      const script = 'ls "$1"; "$1/$2/bin/analyse"; ls -d /etc /usr/bin /tmp; touch /x 2>/dev/null || echo refused';
      const ended = await site.run(['--cvmfs', first(), '--', '/bin/sh', '-c', script, 'sh', place, first()], {
        policy: {...policy({root: place})},
      });
      expect(ended.stdout, ended.stderr).to.equal(`${first()}\nsum 55\n/etc\n/tmp\n/usr/bin\nrefused\n`);
      expect(existsSync(place)).to.equal(false);
    });

    for (const filesystem of ['shared', 'private'])
      it(`quotas++: in a ${filesystem} view each application sees it, and no other`, async () => {
        const script = '"$1/$2/bin/analyse"; ls "$1"; touch "$1/x" "$1/$2/x" 2>/dev/null || echo refused';
        const command = ['/bin/sh', '-c', script, 'sh', root, first()];
        const job = site.job({filesystem, cvmfs: [first()], applications: ['one', 'two'].map((name) => ({name, command}))});
        const ended = await run([job]);
        expect(ended.stdout.trim().split('\n').sort(), ended.stderr).to.deep.equal(
          ['one', 'two'].flatMap((name) => [`${name}: refused`, `${name}: ${first()}`, `${name}: sum 55`].sort()),
        );
        expect(ended.record.cvmfs[0]).to.include({state: 'ok', stateAtEnd: 'ok', mounted: 'tare'});
      });

    it('vm-lite: services and payload see it, and no other', async function () {
      need(this, program('crun') !== null || program('runc') !== null, 'neither crun nor runc is installed');
      need(this, existsSync(BUSYBOX), 'busybox-static is not installed');
      const image = busyboxImage(join(site.directory, 'image'));
      const look = `${root}/${first()}/bin/analyse && ls ${root}; touch ${root}/${first()}/x || echo refused`;
      const job = site.job({
        ...{image, cvmfs: [first()], network: 'none'},
        services: [
          {
            name: 'look',
            command: ['/bin/sh', '-c', `(${look}) >/var/tmp/look; mkdir /var/tmp/seen; sleep 1000`],
            ready: {file: '/var/tmp/seen', within: '60s'},
          },
        ],
        command: ['/bin/sh', '-c', `cat /var/tmp/look; ${look}`],
      });
      const ended = await site.run([job], {policy: {...policy(), images: [image], services: {within: `${String(patience(60))}s`}}});
      expect(ended.stdout, ended.stderr).to.equal(`sum 55\n${first()}\nrefused\n`.repeat(2));
      expect(ended.record.pattern).to.equal('vm-lite');
      expect(ended.record.cvmfs[0]).to.include({state: 'ok', stateAtEnd: 'ok', mounted: 'tare'});
    });

    it('what cannot be mounted: refused, with the client’s last words; or the job runs without, as the policy says', async () => {
      const names = 'gone.example.org';
      const refused = await run(['--cvmfs', names, ...shell('echo never')], {}, {deadline: '20s'});
      expect(refused).to.include({code: 125, stdout: ''});
      expect(refused.record.outcome).to.include({status: 'wrapper-failure', code: 'CVMFS_UNUSABLE'});
      expect(refused.record.cvmfs[0]).to.include({state: 'broken', mounted: null});
      expect(refused.stderr).to.match(
        /gone\.example\.org cannot be used on this node.*mounted by Tare .*its client said: .*[a-z].*proxies: .*, servers: /,
      );
      const without = await run(['--cvmfs', names, ...shell('echo ran')], {onFailure: 'without'}, {deadline: '20s'});
      expect(without, without.stderr).to.include({code: 0, stdout: 'ran\n'});
      expect(without.record.flags).to.include('cvmfs-missing');
      const missing = await run(['--cvmfs', first(), ...shell('echo never')], {}, {client: '/nowhere/cvmfs2'});
      expect(missing.stderr).to.match(/\/nowhere\/cvmfs2: No such file or directory/);
    });

    it('an image in a repository that is not mounted is refused, and the message says what would mount it', async () => {
      const image = join(root, first(), 'data');
      const ended = await site.run(['--image', image, '--', '/bin/true'], {policy: {...policy({mount: undefined}), images: [image]}});
      expect(ended.code, ended.stderr).to.equal(125);
      expect(ended.stderr).to.match(/the image lies in the repository .*, which this node has not got.*allowed: .*cvmfs\.mount/);
      expect(ended.record.outcome.code).to.equal('CVMFS_UNUSABLE');
    });

    if (kind === standIn)
      for (const pattern of ['ulimit++', 'vm-lite'] as const)
        it(`${pattern}: an image in it is used there, by a link of its own`, async function () {
          need(this, existsSync(BUSYBOX), 'busybox-static is not installed');
          need(this, pattern === 'ulimit++' || program('crun') !== null || program('runc') !== null, 'neither crun nor runc is installed');
          const image = join(root, first(), 'images/latest');
          client.fill?.(first(), (tree) => {
            busyboxImage(join(tree, 'images/.flat/one'), {init: false});
            symlinkSync(join(root, first(), 'images/.flat/one'), join(tree, 'images/latest'));
          });
          const other = client.names[1];
          // the others of a long run: a second each
          for (const [named, listing] of [
            [[other], [other]],
            ...(LONG
              ? ([
                  [[], []],
                  [client.names, [...client.names].sort()],
                ] as const)
              : []),
          ] as const) {
            const job = site.job({
              ...{
                image,
                network: 'none',
                pattern,
                command: ['/bin/sh', '-c', `cat /etc/hello; [ $# = 0 ] || ls ${root}; touch /tmp/new && echo new`, 'sh', ...named],
              },
              ...(named.length === 0 ? {} : {cvmfs: named}),
            });
            const ended = await site.run([job], {policy: {...policy(), images: [image]}});
            expect(ended.stdout, ended.stderr).to.equal(['hello', ...listing, 'new', ''].join('\n'));
            expect(ended.record.image).to.include({path: image, kind: 'directory'});
            expect(ended.record.cvmfs.find(({repository}) => repository === first())).to.include({
              state: 'ok',
              stateAtEnd: 'ok',
              mounted: 'tare',
            });
          }
          const file = join(root, first(), 'README.md');
          const refused = await site.run(['--image', file, '--', '/bin/true'], {policy: {...policy(), images: [file]}});
          expect(refused.code, refused.stderr).to.equal(125);
          expect(refused.stderr).to.match(/an image in a repository that Tare mounts can be a directory tree only/);
        });

    it('doctor --cvmfs says what is missing for it, also where no repository is named', async () => {
      const doctor = (mount: object = {}): ReturnType<Site['command']> =>
        site.command(['doctor', '--cvmfs', '--policy', site.policy(policy({}, mount))]);
      const well = await doctor();
      expect([well.code, well.stdout], well.stderr).to.deep.equal([
        0,
        `nothing is mounted in ${root}, and the policy names no repository\nTare mounts what the node has not got, by ${String(client.mount.client)}: whether it can is known when a repository is named\n`,
      ]);
      const ill = await doctor({client: '/nowhere/cvmfs2', config: ['/nowhere/default.conf', '/nowhere/%d.conf']});
      expect(ill.code).to.equal(1);
      expect(ill.stdout).to.match(
        /Tare cannot mount .*\/nowhere\/cvmfs2 is not there, \/nowhere\/default\.conf is not there \(.*\/cvmfs\/mount\); every job/,
      );
    });

    it('its client is killed during the job: recorded, and not started again', async () => {
      const {end, go} = await begin('ls "$1/$2"');
      for (const {pid} of servers()) send(pid, 'SIGKILL');
      await until('the end of the client', () => servers().length === 0);
      go();
      expect((await end).stderr).to.match(/Transport endpoint is not connected|Software caused connection abort/);
      expect(site.records()[0]?.cvmfs[0]).to.include({state: 'ok', stateAtEnd: 'broken', mounted: 'tare'});
      expect(site.records()[0]?.flags).to.include('cvmfs-lost');
      expect(site.records()[0]?.cvmfs[0]?.reasonAtEnd).to.match(/Transport endpoint is not connected: its client has died$/);
    });

    it('its client hangs during the job: the wrapper waits for nothing, and all of it is killed', async () => {
      const {pid, end, go} = await begin('ls "$1/$2/data" >/dev/null & sleep 0.5; kill -9 $!; echo over', {deadline: '1s'});
      for (const server of servers()) send(server.pid, 'SIGSTOP');
      // a process that waits for a client which still takes requests cannot be killed
      await until('a stop of all threads', () => servers().every(({pid: server}) => isStopped(server)));
      const [shim, supervisor] = below(pid);
      const waiting = new Map<number, number>();
      let longestMs = 0;
      go();
      const watch = setInterval(() => {
        for (const one of below(pid)) {
          if (one.pid !== shim?.pid && one.pid !== supervisor?.pid) continue;
          if (one.state === 'D') waiting.set(one.pid, waiting.get(one.pid) ?? Date.now());
          else waiting.delete(one.pid);
          longestMs = Math.max(longestMs, Date.now() - (waiting.get(one.pid) ?? Date.now()));
        }
      }, 10);
      const {code, stdout, stderr} = await end;
      clearInterval(watch);
      expect({code, stdout}, stderr).to.deep.equal({code: 0, stdout: 'ready\nover\n'});
      expect(longestMs).to.be.below(700);
      expect(site.records()[0]?.cvmfs[0]).to.include({state: 'ok', stateAtEnd: 'hung'});
    });

    if (kind === standIn)
      for (const [what, flags, end] of [
        ['its wall time', ['--wall-time', '3s'], null],
        ['SIGTERM', [], 'SIGTERM'],
      ] as const)
        it(`its client hangs with what the payload’s page fault waits for: ${what} ends all within 5 s, and nothing is left`, async function () {
          need(this, existsSync(PYTHON), 'python3 is not installed');
          client.serve?.(first(), {});
          const file = join(root, first(), 'data/large');
          const child = site.start([
            ...['run', '--policy', site.policy(policy()), '--cvmfs', first(), ...flags],
            ...['--', PYTHON, '-c', TOUCH, file],
          ]);
          const ended = ending(child);
          await Promise.race([new Promise((resolve) => child.stdout?.once('data', resolve)), ended]);
          client.hang?.(first());
          child.stdin?.end('go\n');
          await until('a client that hangs', () => client.isHung?.(first()));
          const asked = Date.now();
          if (end !== null) send(child.pid ?? 0, end);
          const {code, signal, stderr} = await ended;
          const [record] = site.records();
          if (record === undefined) throw new Error(stderr);
          const {startEpochUs, wallUs} = record.time;
          const overMs = Date.now() - (end === null ? Number(startEpochUs) / 1000 + 3000 : asked);
          if (process.env.TARE_TELL !== undefined) process.stderr.write(`${what}, ${role}: ${overMs.toFixed(0)} ms\n`);
          expect(overMs).to.be.below(patience(5000));
          expect([code, signal], stderr).to.deep.equal([null, 'SIGTERM']);
          expect(record.outcome.status).to.equal(end === null ? 'limit' : 'stopped');
          expect(record.flags).to.not.include('left-behind');
          // until the payload was gone, and no longer
          expect(Math.abs(Number(wallUs) / 1000 - (Date.now() - Number(startEpochUs) / 1000))).to.be.below(patience(3000));
          expect(record.cvmfs[0]).to.include({state: 'ok', stateAtEnd: 'hung', mounted: 'tare'});
          expect(record.cvmfs[0]?.reasonAtEnd).to.match(/: Tare ended its client$/);
        });

    for (const victims of ['shim', 'supervisor', 'shim and supervisor', 'mounter'] as const)
      it(`SIGKILL to ${victims}: no client, mount, lock or folder is left`, async () => {
        const {pid, end, go} = await begin('"$1/$2/bin/analyse"');
        const family = below(pid);
        const [shim, supervisor] = family;
        const own = family.filter(({comm}) => comm === 'tare-mounter').at(-1);
        const killed = {shim: [shim], supervisor: [supervisor], 'shim and supervisor': [shim, supervisor], mounter: [own]}[victims];
        const servedBefore = servers();
        expect(servedBefore).to.not.have.length(0);
        for (const one of killed) send(one?.pid ?? 0, 'SIGKILL');
        if (victims === 'mounter') await until('the end of the client', () => servers().length === 0);
        go();
        const {code, stdout} = await end;
        if (victims === 'supervisor') expect([code, stdout]).to.deep.equal([0, 'ready\nsum 55\n']);
        await until('the end of all clients', () => clients().length === 0, 20);
        if (victims === 'supervisor') expect(site.records()[0]?.cvmfs[0]).to.include({state: 'ok', stateAtEnd: 'ok'});
        if (victims === 'mounter') expect(site.records()[0]?.cvmfs[0]).to.include({state: 'ok', stateAtEnd: 'broken'});
        // its own clients end with the shim: nothing is known of what the payload had
        if (victims === 'shim') expect(site.records()[0]?.cvmfs[0]).to.include({state: 'ok', stateAtEnd: null});
        expect(site.records()[0]?.flags.includes('cvmfs-lost')).to.equal(victims === 'mounter');
        if (!victims.startsWith('shim')) return;
        const file = site.policy(policy());
        for (const limit = Date.now() + patience(30_000); site.leftovers().length > 0 && Date.now() < limit;)
          await site.command(['records', 'sweep', '--policy', file]);
      });

    it('a kernel without pidfd_open(2): all the same, and a shim that is killed takes its client along; without open_tree(2): refused, and told', async function () {
      need(this, existsSync(PYTHON), 'python3 is not installed');
      const without = join(site.directory, 'without.py'); // the checkout may be closed to the account
      copyFileSync(WITHOUT, without);
      const start = (calls: string, ...argv: string[]): ChildProcess =>
        spawn(PYTHON, [without, calls, bin('tare'), 'run', '--policy', site.policy(policy()), '--cvmfs', first(), ...argv], {
          ...{cwd: site.work, ...site.credentials},
        });
      const well = start(PIDFD_OPEN, ...shell('"$1/$2/bin/analyse"', first()));
      well.stdin?.end();
      expect(await ending(well)).to.include({code: 0, stdout: 'sum 55\n'});
      const killed = start(PIDFD_OPEN, ...shell('echo ready; read -r _'));
      const end = ending(killed);
      await Promise.race([new Promise((resolve) => killed.stdout?.once('data', resolve)), end]);
      expect(servers()).to.not.have.length(0);
      send(killed.pid ?? 0, 'SIGKILL');
      await end;
      await until('the end of all clients', () => clients().length === 0, 20);
      const file = site.policy(policy());
      for (const limit = Date.now() + patience(30_000); site.leftovers().length > 0 && Date.now() < limit;)
        await site.command(['records', 'sweep', '--policy', file]);
      const refused = start(`${PIDFD_OPEN},${OPEN_TREE}`, ...shell('true'));
      refused.stdin?.end();
      const {code, stderr} = await ending(refused);
      expect(code, stderr).to.equal(125);
      expect(stderr).to.match(/Tare could not mount it: the kernel cannot hand a mount to a box, which Linux can from 5\.2 on/);
    });

    it('a part of the job that is run by a wrapper in its box has repositories of its own', async () => {
      const inner = join(place, 'inner.json');
      const directories = Object.fromEntries(['state', 'spool', 'scratch'].map((name) => [name, `/tmp/inner/${name}`]));
      writeFileSync(inner, JSON.stringify({schema: 'tare/policy/v1', directories, ...policy()}));
      const part = shell('"$2" run --policy "$3" --cvmfs "$4" -- ls "$1"; ls "$1"', bin('tare'), inner, client.names[1]);
      const runWith = (seccomp: string): Promise<RunOutput> => site.run(['--cvmfs', first(), ...part], {policy: {...policy(), seccomp}});
      const ended = await runWith('pilot');
      expect(ended.stdout, ended.stderr).to.equal(`${client.names[1]}\n${first()}\n`);
      // mounts are not the payload's by default
      const denied = await runWith('default');
      expect(denied.stdout, denied.stderr).to.equal(`${first()}\n`);
      expect(denied.stderr).to.include('Operation not permitted');
    });

    it('a cache for all jobs: several at once use it, and it stays; a job’s own is gone with it', async () => {
      const shared = join(place, 'shared');
      mkdirSync(shared, {mode: 0o755});
      if (role === 'user') site.give(shared);
      const jobs = await Promise.all(
        Array.from({length: 4}, () =>
          run(['--cvmfs', client.names.join(), ...shell('"$1/$2/bin/analyse"', first())], {}, {cache: {shared}}),
        ),
      );
      for (const {stdout, stderr, record} of jobs) {
        expect(stdout, stderr).to.equal('sum 55\n');
        expect(record.cvmfs.map(({mounted, stateAtEnd}) => [mounted, stateAtEnd])).to.deep.equal([
          ['tare', 'ok'],
          ['tare', 'ok'],
        ]);
      }
      const [account, ...others] = readdirSync(shared);
      expect(others).to.deep.equal([]);
      const cache = join(shared, account ?? '');
      expect(statSync(cache).mode & 0o7777).to.equal(0o700);
      expect(readdirSync(cache)).to.not.have.length(0);
    });

    it('a cache for all jobs that another account owns, or could replace, is not used', async function () {
      need(this, isRoot, 'only root can make what another account has made');
      const shared = join(place, 'shared');
      mkdirSync(shared, {mode: 0o755});
      chownSync(shared, 12345, 12345);
      const refused = await run(['--cvmfs', first(), ...shell('echo never')], {}, {cache: {shared}});
      expect(refused).to.include({code: 125, stdout: ''});
      expect(refused.stderr).to.match(/Tare could not mount it: cache\.shared: .*\/shared cannot be trusted: it belongs to uid 12345/);
      expect(readdirSync(shared)).to.deep.equal([]);
      rmdirSync(shared);
      if (role === 'root') return;
      // the account must not make what root would then use
      chmodSync(place, 0o1777);
      const lacking = await run(['--cvmfs', first(), ...shell('echo never')], {}, {cache: {shared}});
      expect(lacking.stderr).to.match(/there is no .*\/shared: root makes it/);
      expect(existsSync(shared)).to.equal(false);
    });

    it(`after ${String(JOBS)} jobs on one cache, half of them killed: no client, lock or folder is left, and the next has it`, async function () {
      this.timeout(patience(300_000));
      const shared = join(place, 'shared');
      mkdirSync(shared, {mode: 0o755});
      if (role === 'user') site.give(shared);
      const cache = {cache: {shared}};
      const one = async (index: number): Promise<void> => {
        const {pid, end, go} = await begin('"$1/$2/bin/analyse"', {}, cache);
        if (index % 2 === 0) for (const {pid: victim} of below(pid).slice(0, 2)) send(victim, 'SIGKILL');
        else go();
        const {code, stdout, stderr} = await end;
        if (index % 2 === 1) expect([code, stdout], stderr).to.deep.equal([0, 'ready\nsum 55\n']);
      };
      for (let index = 0; index < JOBS; index += AT_ONCE)
        await Promise.all([...Array(Math.min(AT_ONCE, JOBS - index)).keys()].map((more) => one(index + more)));
      await until('the end of all clients', () => clients().length === 0, 20);
      const file = site.policy(policy());
      for (const limit = Date.now() + patience(30_000); site.leftovers().length > 0 && Date.now() < limit;)
        await site.command(['records', 'sweep', '--policy', file]);
      const next = await run(['--cvmfs', first(), ...shell('"$1/$2/bin/analyse"', first())], {}, cache);
      expect(next.stdout, next.stderr).to.equal('sum 55\n');
    });

    it('doctor --cvmfs says that Tare would mount it, and whether it can', async () => {
      const doctor = (mount: object = {}): ReturnType<Site['command']> =>
        site.command(['doctor', '--cvmfs', '--policy', site.policy(policy({required: [first()]}, mount))]);
      const well = await doctor();
      expect(well.stdout).to.match(new RegExp(`${first().replaceAll('.', '\\.')} +ok .*Tare mounts it`));
      expect(well.code, well.stderr).to.equal(0);
      const ill = await doctor({client: '/nowhere/cvmfs2'});
      expect(ill.stdout).to.match(/\/nowhere\/cvmfs2/);
      expect(ill.code).to.equal(1);
    });

    if (kind === standIn) {
      it('the record has what its client fetched and used, and that it went offline', async function () {
        need(this, existsSync(PYTHON), 'python3 is not installed');
        client.serve?.(first(), {rx: '3', ndownload: '1', logbuffer: 'mounted'});
        const {end, go} = await begin('ls "$1/$2" >/dev/null');
        client.count?.(
          first(),
          'download.n_host_failover|1|hosts\ndownload.n_proxy_failover|2|proxies\ndownload.n_requests|9|all\ndownload.n_retries|4|tries\n',
        );
        client.attribute?.(first(), {rx: '5003', ndownload: '41', logbuffer: 'recovered from offline mode\nentering offline mode'});
        go();
        const {code, stderr} = await end;
        expect(code, stderr).to.equal(0);
        const [record] = site.records();
        const entry = record?.cvmfs[0];
        expect(entry).to.include({stateAtEnd: 'ok', downloads: 41, downloadedBytes: 5003 * 1024, offline: true, timeouts: 7});
        expect(entry?.clientCpuUs).to.be.above(0);
        expect(entry?.clientMemoryBytes).to.be.within(2 ** 20, 2 ** 30);
        expect(record?.flags).to.not.include('cvmfs-lost');
      });

      it('the configuration repository that the client’s files name is mounted first, and says where the others are', async () => {
        const {repository, directory} = client.configure?.() ?? {repository: '', directory: ''};
        const mount = {servers: undefined, proxies: undefined, parameters: undefined, configDirectory: directory};
        const both = await run(['--cvmfs', client.names.join(), ...shell('"$1/$2/bin/analyse"; ls "$1"', first())], {}, mount);
        expect(both.stdout, both.stderr).to.equal(`sum 55\n${[...client.names].sort().join('\n')}\n`);
        expect(both.record.cvmfs.map(({repository: name, mounted, state, stateAtEnd}) => [name, mounted, state, stateAtEnd])).to.deep.equal(
          [...client.names, repository].map((name) => [name, 'tare', 'ok', 'ok']),
        );
        if (LONG) {
          const named = await run(['--cvmfs', `${repository},${first()}`, ...shell('ls "$1/$2/etc/cvmfs"', repository)], {}, mount);
          expect(named.stdout, named.stderr).to.equal('common.conf\ndefault.conf\ndomain.d\nkeys\n');
          expect(named.record.cvmfs).to.have.length(2);
          const doctor = await site.command(['doctor', '--cvmfs', '--repository', first(), '--policy', site.policy(policy({}, mount))]);
          expect(doctor.stdout, doctor.stderr).to.match(/ok .*Tare mounts it/);
        }
        client.take?.(repository);
        const refused = await run(['--cvmfs', first(), ...shell('echo never')], {}, mount);
        expect(refused).to.include({code: 125, stdout: ''});
        expect(refused.stderr).to.match(/without the configuration repository config\.example\.org: .*failed to load root catalog/);
      });

      it('a proxy that does not answer is put behind the others, also for the next jobs; where there is no other the message says so', async () => {
        const dead = `http://127.0.0.1:${String(await freePort())}`;
        const proxies = `${dead};DIRECT`;
        const ended = await run(['--cvmfs', first(), ...shell('"$1/$2/bin/analyse"', first())], {}, {proxies});
        expect(ended, ended.stderr).to.include({code: 0, stdout: 'sum 55\n'});
        expect(client.tried?.(first())).to.deep.equal(['DIRECT']);
        const server = createServer().listen(Number(new URL(dead).port), '127.0.0.1');
        try {
          await run(['--cvmfs', first(), ...shell('true')], {}, {proxies});
          expect(client.tried?.(first())).to.deep.equal(['DIRECT']);
        } finally {
          server.close();
        }
        const refused = await run(['--cvmfs', first(), ...shell('echo never')], {}, {proxies: dead});
        expect(refused).to.include({code: 125, stdout: ''});
        expect(refused.stderr).to.include(`the proxy ${dead} (ECONNREFUSED) does not answer`);
      });

      it('a client that never answers: refused within the deadline', async () => {
        client.silence?.(first());
        const start = Date.now();
        const ended = await run(['--cvmfs', first(), ...shell('echo never')], {}, {deadline: '1s'});
        expect(Date.now() - start).to.be.below(patience(20_000));
        expect(ended).to.include({code: 125, stdout: ''});
        expect(ended.record.cvmfs[0]).to.include({state: 'hung'});
        expect(ended.record.cvmfs[0]?.reason).to.match(/^mounted by Tare .*no answer in /);
      });

      it('one that can be mounted later is waited for', async () => {
        client.take?.(first());
        const ended = run(['--cvmfs', first(), ...shell('"$1/$2/bin/analyse"', first())], {onFailure: {wait: '60s'}});
        await new Promise((resolve) => setTimeout(resolve, 1500));
        client.give?.(first());
        expect(await ended).to.include({code: 0, stdout: 'sum 55\n'});
      });
    }
  });
