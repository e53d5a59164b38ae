/** A wrapper that stays must be as good as exec: what the caller gives, the payload gets. */
import {spawn} from 'node:child_process';
import {expect} from 'chai';
import {describeSite} from '../../support/describe-site.js';
import {bin, ending, isRoot, payload} from '../../support/tare.js';

/** What differs for good reason: the box is another PID namespace, has dropped privileges and has its own groups. */
const OTHERWISE = [
  'pid',
  'ppid',
  'pgid',
  'sid',
  'namespaces',
  'cgroup',
  'oom_score_adj',
  'no_new_privs',
  'cap_',
  'seccomp',
  ...(isRoot ? ['groups'] : []),
];

/** What every box adds: where its Machine/Job Features are. */
const FEATURES = /^(?:MACHINE|JOB)FEATURES=\/dev\/tare\//;

type Probe = Record<string, unknown>;

describeSite('exec, %s', {mayLeave: true}, (site) => {
  /** The probe as an unusual caller starts it: bare, or through the wrapper. Bare it runs as the box's account. */
  async function probe(caller: string[], argv: string[], boxed: boolean, input = ''): Promise<Probe> {
    const wrapper = boxed ? [bin('tare'), 'run', '--policy', site.policy(), '--'] : [];
    const bare = isRoot ? {uid: 65534, gid: 65534} : {};
    const child = spawn(payload('caller'), [...caller, '--', ...wrapper, payload('probe'), ...argv], {
      cwd: site.work,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: {PATH: '/usr/bin:/bin', TARE_TEST: 'a\nb', EMPTY: ''},
      ...(boxed ? site.credentials : bare),
    });
    child.stdin.on('error', () => undefined).end(input); // a caller without standard input does not read it
    const {stdout, stderr, code} = await ending(child);
    expect(code, stderr).to.equal(0);
    const probed = JSON.parse(stdout) as Probe & {environment: string[]};
    return {...probed, environment: probed.environment.filter((hex) => !FEATURES.test(Buffer.from(hex, 'hex').toString()))};
  }

  const CASES: [string, string[], string[]][] = [
    ['nothing unusual', [], []],
    [
      'argv with spaces, quotes, newlines, empty ones and one like our own marks',
      [],
      ['a b', '"', "'", 'line\nline', '', '--', '@1', '-v', '{init}', '\\', '$HOME', 'é'],
    ],
    ['a low soft limit of open files', ['--nofile', '64'], []],
    ['ignored signals', ['--ignore', '1', '--ignore', '13', '--ignore', '17', '--ignore', '40'], []],
    ['a signal mask', ['--block', '10', '--block', '15', '--block', '64'], []],
    ['a umask', ['--umask', '0137'], []],
    ['descriptors 3 to 20', ['--open', '3', '20'], []],
    ['no standard input', ['--close', '0'], []],
    ['no standard error, and a descriptor out of the way', ['--close', '2', '--open', '200', '201'], []],
  ];
  for (const [name, caller, argv] of CASES) {
    it(name, async () => {
      const [inside, outside] = [await probe(caller, argv, true), await probe(caller, argv, false)];
      expect(Object.keys(inside)).to.include.members(['argv', 'environment', 'cwd', 'umask']);
      for (const key of Object.keys(outside)) {
        if (!OTHERWISE.some((prefix) => key.startsWith(prefix))) expect(strip(inside[key]), key).to.deep.equal(strip(outside[key]));
      }
    });
  }

  it('standard input to standard output, a megabyte, byte for byte', async () => {
    const input = 'x'.repeat(2 ** 20);
    const {stdout} = await site.run(['--', '/bin/cat'], {input});
    expect(stdout === input).to.equal(true);
  });

  it('a reader of standard output sees its end when the payload closes it, not when the wrapper ends', async () => {
    const child = site.start(['run', '--policy', site.policy(), '--', '/bin/sh', '-c', 'exec >&-; read -r line']);
    await new Promise((resolve) => child.stdout?.resume().on('end', resolve));
    expect(child.exitCode).to.equal(null);
    child.stdin?.end('done\n');
    expect((await ending(child)).code).to.equal(0);
  });

  it('--json prints the record after the payload’s own output', async () => {
    const {stdout} = await site.run(['--json', '--', '/bin/echo', 'first']);
    const [first, second] = stdout.split('\n');
    expect(first).to.equal('first');
    expect(JSON.parse(second ?? '')).to.include({schema: 'tare/record/v2', state: 'final'});
  });

  it('nothing of ours is on the payload’s output', async () => {
    const {stdout, stderr} = await site.run(['--', '/bin/sh', '-c', 'echo out; echo err >&2']);
    expect([stdout, stderr]).to.deep.equal(['out\n', 'err\n']);
  });
});

/** Inode numbers of pipes are new for every run. */
function strip(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value ?? null, (key, inner: unknown) => (key === 'inode' || key === 'ino' || key === 'offset' ? undefined : inner)),
  );
}
