/** `tare import`, and `tare run -` of what it prints, as a person calls them. */
import {execFileSync, spawn} from 'node:child_process';
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {describeSite} from '../support/describe-site.js';
import {need} from '../support/need.js';
import {bin, ending, installed, isRoot} from '../support/tare.js';

const FIXTURES = join(installed(), 'fixtures/import');
const NOEXEC = '/proc/sys/vm/memfd_noexec';
const HELLO = join(FIXTURES, 'libvirt/helloworld.xml');

describeSite('import, %s', {timeout: 60_000}, (site) => {
  const tare = async (argv: string[], input = ''): Promise<{code: number | null; stdout: string; stderr: string}> => {
    const child = site.start(argv);
    child.stdin?.on('error', () => undefined).end(input);
    return ending(child);
  };
  const write = (name: string, text: string): string => {
    const file = join(site.directory, name);
    writeFileSync(file, text);
    return file;
  };

  it('prints a job that validate takes and run runs, whose limit is in the record', async () => {
    const {code, stdout, stderr} = await tare(['import', HELLO]);
    expect([code, stderr]).to.deep.equal([0, '']);
    const job = write('job.yaml', stdout);
    expect((await tare(['validate', job])).code).to.equal(0);
    const ran = await site.run([job], {input: 'echo "$$ $PPID"; exit 7\n'});
    // the shell is process 1, whose parent is outside of its PID namespace
    expect([ran.code, ran.stdout, ran.stderr]).to.deep.equal([7, '1 0\n', '']);
    expect(ran.record.payload.name).to.equal('helloworld');
    expect(ran.record.limits?.memory.value).to.equal(104_857_600);
  });

  it('reads standard input, the format and one part of it, and files beside the description', async () => {
    const {stdout} = await tare(['import', '-'], readFileSync(HELLO, 'utf8'));
    expect(stdout).to.contain('memory: 102400KiB # standard input:3:3 <memory>');
    const martian = '# c\nkey without a group\nlxc.init.cmd = /bin/sh\n';
    const unknown = await tare(['import', '-'], martian);
    expect([unknown.code, unknown.stdout]).to.deep.equal([125, '']);
    expect(unknown.stderr).to.contain('tare: standard input: none of the formats that are read; allowed: ').and.contain('--format');
    expect((await tare(['import', '-', '--format', 'lxc'], martian)).stdout).to.contain('command: [/bin/sh]');
    expect((await tare(['import', HELLO, '--part', 'b'])).stderr).to.contain('there is one description in it, and no parts; found: "b"');
    expect((await tare(['import', join(FIXTURES, 'lxc/includes.conf')])).stdout).to.contain('memory: 100MiB # includes.d/limits.conf:2:1 ');
  });

  it('reads UTF-8 and UTF-16 by the byte order mark, of the description and of what it names', async () => {
    const plain = 'services: {web: {command: [/bin/true], environment: {A: ä}, env_file: b.env}}\n';
    const marked = `\ufeff${plain}`;
    writeFileSync(join(site.directory, 'b.env'), Buffer.from('\ufeffB=ö\n', 'utf16le'));
    const told = new Set<string>();
    for (const [name, bytes] of [
      ['utf-8', Buffer.from(plain)],
      ['utf-8 with a mark', Buffer.from(marked)],
      ['utf-16le', Buffer.from(marked, 'utf16le')],
      ['utf-16be', Buffer.from(marked, 'utf16le').swap16()],
    ] as const) {
      const file = join(site.directory, 'compose.yaml');
      writeFileSync(file, bytes);
      const {code, stdout, stderr} = await tare(['import', file]);
      expect([code, stderr], name).to.deep.equal([0, '']);
      expect(stdout).to.match(/A: ä/).and.match(/B: ö/);
      told.add(stdout);
    }
    expect([...told]).to.have.length(1);
    const file = join(site.directory, 'compose.yaml');
    writeFileSync(file, Buffer.from(plain, 'utf16le'));
    expect((await tare(['import', file, '--format', 'compose'])).stderr).to.contain(
      'found: the character U+0000; allowed: text in UTF-8, or in UTF-16',
    );
    writeFileSync(file, Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from([0, 0xd8, 0x41, 0])]));
    expect((await tare(['import', file, '--format', 'compose'])).stderr).to.contain('found: the character U+FFFD');
  });

  it('prints a fragment of a policy that validate takes, and all of it as JSON', async () => {
    const file = join(FIXTURES, 'libvirt/address.xml');
    const policy = write('policy.yaml', (await tare(['import', file, '--policy'])).stdout);
    expect((await tare(['validate', policy])).stdout).to.equal(`${policy}: a valid policy (tare/policy/v1)\n`);
    const data = JSON.parse((await tare(['import', file, '--json'])).stdout) as Record<string, unknown>;
    expect(Object.keys(data)).to.deep.equal(['file', 'format', 'job', 'policy', 'taken', 'proposals', 'left']);
    expect((await tare(['import', file, '--json', '--policy'])).code).to.equal(64);
  });

  it('what is no regular file, or too large, is an error and does not hang', async () => {
    const pipe = join(site.directory, 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const [file, words] of [
      [pipe, 'the description is not a file'],
      ['/dev/zero', 'the description is not a file'],
      [site.work, 'the description is not a file'],
      [join(site.work, 'absent'), 'the description cannot be read; found: no such file'],
      [write('large', '#'.repeat(1024 * 1024 + 1)), 'the description is too large; allowed: 1048576 bytes'],
    ] as const)
      expect(await tare(['import', file])).to.deep.equal({code: 125, signal: null, stdout: '', stderr: `tare: ${file}: ${words}\n`});
    // what a description names is not waited for either
    const included = write('c.conf', `lxc.include = ${pipe}\nlxc.include = /dev/zero\nlxc.init.cmd = /bin/true\n`);
    const {code, stdout} = await tare(['import', included]);
    expect([code, stdout.match(/it cannot be read/g)?.length]).to.deep.equal([0, 2]);
  });

  it('prints no job that is larger than those that tare run - reads', async () => {
    const variables = Array.from({length: 9000}, (_, i) => `lxc.environment=A${String(i)}=${'x'.repeat(90)}`);
    const file = write('many.conf', ['lxc.init.cmd = /bin/true', ...variables, ''].join('\n'));
    const {code, stdout, stderr} = await tare(['import', file]);
    expect([code, stdout]).to.deep.equal([125, '']);
    expect(stderr).to.match(
      /many\.conf: the job that is made of it is larger than any that Tare reads; found: \d+ bytes, .*; allowed: 1048576 bytes; take away/,
    );
  });

  it('tells every mistake at its place', async () => {
    const file = write('bad.xml', readFileSync(HELLO, 'utf8').replace('102400', '0').replace('helloworld', ''));
    const {code, stdout, stderr} = await tare(['import', file]);
    expect([code, stdout]).to.deep.equal([125, '']);
    expect(stderr).to.contain(`tare: ${file}:2:3 <name>: empty text`);
  });

  it('run -: the job comes on standard input, and the payload’s is a file', async () => {
    const script = write('script.sh', 'echo "got it"; exit 3\n');
    const {stdout: job} = await tare(['import', HELLO]);
    const run = (...argv: string[]): string[] => ['run', ...argv, '--policy', site.policy()];
    const ran = await tare(run('-', '--stdin', script), job);
    expect(ran).to.deep.include({code: 3, stdout: 'got it\n', stderr: ''});
    expect(await tare(run('-', `--stdin=${script}`), job)).to.deep.include({code: 3, stdout: 'got it\n'});
    // without one it is empty: the shell ends
    expect(await tare(run('-'), job)).to.deep.include({code: 0, stdout: '', stderr: ''});
    expect(await tare(['run', '--policy', site.policy(), '--stdin', script, '--', '/bin/cat'], 'not this')).to.deep.include({
      code: 0,
      stdout: readFileSync(script, 'utf8'),
    });
    expect((await tare(run('-', '--json'), job)).stdout).to.contain('standard input#/limits/memory');
  });

  it('run -: what is wrong is said, and nothing runs', async () => {
    const {stdout: job} = await tare(['import', HELLO]);
    const policy = ['--policy', site.policy()];
    const cases: readonly [string[], string, RegExp][] = [
      [
        ['run', ...policy, '-'],
        job,
        /^tare: command line: - for a job on standard input has to be the first word after run; allowed: tare run - \[flags\]\n$/,
      ],
      [['run', '-', ...policy, '--', '/bin/true'], job, /^tare: command line: exactly one job must be given; found: 2/],
      [['run', '-', ...policy], '', /^tare: standard input:1:1: the document is empty/],
      [['run', '-', ...policy], 'schema: tare/job/v1\ncommand: [/bin/true]\nx: 1\n', /^tare: standard input#\/x: an unknown key/],
      [['run', '-', ...policy], ' '.repeat(1024 * 1024 + 1), /^tare: standard input: a job descriptor has at most 1048576 bytes\n$/],
      [['run', '-', ...policy, '--stdin='], job, /^tare: an empty name of a file for standard input \(--stdin\)\n$/],
      [['run', ...policy, '--stdin', '', '--', '/bin/true'], job, /^tare: an empty name of a file for standard input \(--stdin\)\n$/],
      [
        ['run', '-', ...policy, '--stdin', '/nowhere/x'],
        job,
        /^tare: \/nowhere\/x, for standard input \(--stdin\): No such file or directory\n$/,
      ],
      [
        ['run', '-', ...policy, '--stdin', '-'],
        job,
        /^tare: -, for standard input \(--stdin\): No such file or directory; FILE is a path, and - does not stand for standard input\n$/,
      ],
    ];
    for (const [argv, input, message] of cases) {
      const {code, stdout, stderr} = await tare(argv, input);
      expect([argv, code, stdout]).to.deep.equal([argv, 125, '']);
      expect(stderr).to.match(message);
    }
  });

  it('run - and several applications where the kernel wants files in memory that cannot be executed (vm.memfd_noexec)', async function () {
    need(this, isRoot && existsSync(NOEXEC), 'root and Linux 6.3 are needed for it');
    const script = `echo 2 >${NOEXEC} && exec "$@"`;
    const {uid, gid} = site.credentials;
    const become = uid === undefined ? [] : ['setpriv', `--reuid=${String(uid)}`, `--regid=${String(gid)}`, '--clear-groups'];
    const argv = ['--pid', '--fork', '--mount-proc', '--kill-child', 'sh', '-c', script, 'sh', ...become, bin('tare'), 'run', '-'];
    const one = {command: ['/bin/sh', '-c', 'echo ran']};
    const several = {applications: ['a', 'b'].map((name) => ({name, command: ['/bin/echo', 'ran']})), onFailure: 'continue'};
    for (const [job, said] of [
      [one, /^ran\n$/],
      [several, /^a: ran\nb: ran\n$|^b: ran\na: ran\n$/],
    ] as const) {
      const child = spawn('unshare', [...argv, '--policy', site.policy()], {cwd: site.work, stdio: ['pipe', 'pipe', 'pipe']});
      child.stdin.end(JSON.stringify({schema: 'tare/job/v1', ...job}));
      const {code, stdout, stderr} = await ending(child);
      expect(code, stderr).to.equal(0);
      expect(stdout).to.match(said);
    }
  });

  it('plan -: the same, without running it', async () => {
    const {stdout: job} = await tare(['import', HELLO]);
    const {code, stdout} = await tare(['plan', '-', '--policy', site.policy()], job);
    expect([code, stdout.includes('100 MiB')]).to.deep.equal([0, true]);
  });
});
