/** The commands as a person calls them. */
import {spawn} from 'node:child_process';
import {closeSync, openSync, rmSync, writeFileSync} from 'node:fs';
import {join, relative} from 'node:path';
import {Ajv2020} from 'ajv/dist/2020.js';
import {expect} from 'chai';
import {describeSite} from '../support/describe-site.js';
import {bin, ending, installed} from '../support/tare.js';

describeSite('commands, %s', {mayLeave: true, timeout: 20_000}, (site) => {
  const tare = (...argv: string[]): Promise<{code: number | null; stdout: string; stderr: string}> => ending(site.start(argv));

  it('schema prints a schema that a validator takes, and that takes the good fixtures', async () => {
    for (const kind of ['job', 'policy', 'plan', 'record']) {
      const {code, stdout} = await tare('schema', kind);
      expect(code).to.equal(0);
      const schema = JSON.parse(stdout) as {$schema: string};
      expect(schema.$schema).to.equal('https://json-schema.org/draft/2020-12/schema');
      expect(new Ajv2020({strict: false}).compile(schema)).to.be.a('function');
    }
  });

  it('plan explains, touches nothing, and is the same twice', async () => {
    const policy = site.policy({maxima: {memory: '1GiB'}});
    const argv = ['plan', '--policy', policy, '--memory', '2GiB', '--cores', '1.5', '--wall-time', '1h', '--', '/bin/echo', 'a b'];
    const {code, stdout, stderr} = await tare(...argv);
    expect(code, stderr).to.equal(0);
    for (const word of [
      'ulimit++',
      'asked for 2 GiB',
      '1 GiB',
      '1.5 cores',
      '1h',
      '/dev/shm',
      'no_new_privs',
      '"/bin/echo" "a b"',
      'spool',
    ])
      expect(stdout).to.contain(word);
    expect((await tare(...argv)).stdout).to.equal(stdout);
    expect(site.leftovers()).to.deep.equal([]);
    expect(site.records()).to.deep.equal([]);
  });

  it('plan --as prints the text of another tool alone, and not with --json', async () => {
    const policy = site.policy();
    const argv = ['--policy', policy, '--memory', '1GiB', '--', '/bin/echo', "it's"];
    const docker = await tare('plan', '--as', 'docker', ...argv);
    expect([docker.code, docker.stderr]).to.deep.equal([0, '']);
    expect(docker.stdout)
      .to.match(/^# What `tare run` would do, for Docker/)
      .and.contain(`/bin/echo 'it'\\''s'\n`);
    const oci = await tare('plan', '--as', 'oci', ...argv);
    expect(JSON.parse(oci.stdout)).to.have.nested.property('linux.resources.memory.limit', 2 ** 30);
    expect((await tare('plan', '--as', 'rkt', ...argv)).code).to.equal(64);
    expect((await tare('plan', '--as', 'oci', '--json', ...argv)).code).to.equal(64);
    expect(site.leftovers()).to.deep.equal([]);
  });

  it('doctor: a table with remedies, JSON, and exit 1 where an allowed pattern cannot run', async () => {
    const healthy = await tare('doctor', '--policy', site.policy({patterns: ['ulimit++']}));
    expect(healthy.code, healthy.stdout).to.equal(0);
    expect(healthy.stdout).to.contain('bubblewrap');
    // the box is tried by a process that starts elsewhere
    const near = await tare('doctor', '--policy', relative(site.work, site.policy({patterns: ['ulimit++']})));
    expect([near.code, near.stdout.split('\n').at(-2)]).to.deep.equal([0, healthy.stdout.split('\n').at(-2)]);
    const json = await tare('doctor', '--json', '--policy', site.policy({patterns: ['ulimit++']}));
    expect(JSON.parse(json.stdout)).to.have.property('facts');
    const wanting = await tare('doctor', '--policy', site.policy({patterns: ['vm-lite'], directories: {scratch: '/proc/nowhere'}}));
    expect(wanting.code, wanting.stdout).to.equal(1);
    // the kernel has no such limit
    const contradictory = await tare('doctor', '--policy', site.policy({enforcement: {wallTime: 'kernel'}}));
    expect([contradictory.code, contradictory.stdout]).to.deep.equal([125, '']);
    expect(contradictory.stderr).to.match(/^tare: \S+#\/enforcement\/wallTime: no kernel has a limit on wall time: /);
  });

  it('doctor and plan say that the kill switch is on, also where the policy is broken', async () => {
    const policy = site.policy();
    const file = join(site.directory, 'off');
    const said = `tare: the kill switch is on: while ${file} exists every job is executed without box, limits and record\n`;
    expect((await tare('doctor', '--policy', policy)).stdout).to.contain(`off: there is no ${file}`);
    writeFileSync(file, '');
    try {
      const doctor = await tare('doctor', '--policy', policy);
      expect(doctor.stdout)
        .to.match(/^missing +kill switch +on: /m)
        .and.contain(`remove ${file} when`)
        .and.contain(`\nswitched off by ${file}: no job has box, limits or record\n`);
      expect((JSON.parse((await tare('doctor', '--json', '--policy', policy)).stdout) as {switchedOffBy: string}).switchedOffBy).to.equal(
        file,
      );
      const plan = await tare('plan', '--policy', policy, '--', '/bin/true');
      expect([plan.code, plan.stderr]).to.deep.equal([0, said]);
      const json = await tare('plan', '--json', '--policy', policy, '--', '/bin/true');
      expect([JSON.parse(json.stdout), json.stderr][1]).to.equal(said);
    } finally {
      rmSync(file);
    }
  });

  it('output that cannot be written is one line and exit status 125; a reader that has closed it is no error', async function () {
    this.timeout(90_000); // some forty calls
    const policy = site.policy();
    const commands = [
      ['plan', '--policy', policy, '--', '/bin/true'],
      ['plan', '--json', '--policy', policy, '--', '/bin/true'],
      ['doctor', '--policy', policy],
      ['ps', '--policy', policy],
      ['ps', '--json', '--policy', policy],
      ['top', '--once', '--policy', policy],
      ['records', 'list', '--policy', policy],
      ['records', 'sweep', '--policy', policy],
      ['images', 'list', '--json', '--policy', policy],
      ['validate', policy],
      ['schema', 'record'],
      ['htcondor', 'config', '--for', 'node'],
      ['--version'],
      ['--help'],
      ['plan', '--help'],
    ];
    const line = 'tare: standard output cannot be written; found: ENOSPC (no space left on device); ';
    expect((await tare('run', '--policy', policy, '--', '/bin/true')).code).to.equal(0);
    for (const argv of commands) {
      const full = openSync('/dev/full', 'w');
      const {code, stderr} = await ending(site.start(argv, {stdio: ['ignore', full, 'pipe']}));
      expect([argv, stderr.slice(0, line.length), stderr.split('\n').length, code]).to.deep.equal([argv, line, 2, 125]);
      const unheard = await ending(site.start(argv, {stdio: ['ignore', 'ignore', full]}));
      // doctor ends as the node is
      expect([argv, unheard.code]).to.deep.equal([argv, argv[0] === 'doctor' && unheard.code === 1 ? 1 : 0]);
      closeSync(full);
    }
    for (const argv of commands.filter(([name]) => name !== 'doctor')) {
      const shell = spawn('/bin/sh', ['-c', '"$@" | :; exit 0', 'sh', bin('tare'), ...argv], {
        ...site.credentials,
        cwd: site.work,
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      expect([argv, (await ending(shell)).stderr]).to.deep.equal([argv, '']);
    }
    const full = openSync('/dev/full', 'w');
    const ran = await ending(
      site.start(['run', '--json', '--policy', policy, '--', '/bin/sh', '-c', 'exit 7'], {stdio: ['ignore', full, 'pipe']}),
    );
    closeSync(full);
    expect([ran.code, ran.stderr]).to.deep.equal([
      7,
      'tare: standard output cannot be written; found: No space left on device; what was to be said is cut off\n',
    ]);
  });

  it('validate: every good fixture, and exit 1 for a bad one', async () => {
    const good = await tare(
      'validate',
      ...['mcsim.yaml', 'full.yaml', 'analysis.json'].map((name) => join(installed(), 'fixtures/jobs/good', name)),
      join(installed(), 'configs/policies/tier3.yaml'),
    );
    expect(good.code, good.stderr).to.equal(0);
    const record = join(site.directory, 'plan.json');
    writeFileSync(record, (await tare('plan', '--json', '--policy', site.policy(), '--', '/bin/true')).stdout);
    expect((await tare('validate', record)).stdout).to.contain('a valid plan');
    const bad = await tare('validate', join(installed(), 'fixtures/jobs/bad/unknown-key.yaml'));
    expect([bad.code, bad.stdout]).to.deep.equal([1, '']);
    expect(bad.stderr).to.contain('did you mean memory?');
    const input = async (text: string | Buffer) => {
      const child = site.start(['validate', '-']);
      child.stdin?.end(text);
      return ending(child);
    };
    const job = '{"schema": "tare/job/v1", "command": ["/bin/true"]}\n';
    for (const text of [job, `\ufeff${job}`, Buffer.from(`\ufeff${job}`, 'utf16le'), Buffer.from(`\ufeff${job}`, 'utf16le').swap16()])
      expect((await input(text)).stdout).to.equal('standard input: a valid job (tare/job/v1)\n');
    const wrong = await input(Buffer.from(job, 'utf16le'));
    expect([wrong.code, wrong.stderr]).to.deep.equal([
      1,
      'tare: standard input:1:2: the document is not text; found: the character U+0000; allowed: text in UTF-8, or in UTF-16 with a byte order mark\n',
    ]);
    const empty = await input('');
    expect([empty.code, empty.stdout]).to.deep.equal([1, '']);
  });

  it('a wrong command line is exit 64, with what is right', async () => {
    for (const argv of [['run', '--bogus'], ['plan', '--memory'], ['validate'], ['schema', 'nonsense']]) {
      const {code, stderr} = await tare(...argv);
      expect([argv, code]).to.deep.equal([argv, 64]);
      expect(stderr).to.not.equal('');
    }
    expect((await tare('run', '--help')).code).to.equal(0);
    const none = await tare('run', '--policy', site.policy());
    expect(none.code).to.equal(125);
    expect(none.stderr).to.match(/^tare: command line: exactly one job must be given; .+\n$/);
  });

  it('--verbose says what was allowed, used, what the wrapper cost and where the record lies', async () => {
    const {stderr, code} = await tare('run', '--verbose', '--policy', site.policy(), '--memory', '100MiB', '--', '/bin/true');
    expect(code).to.equal(0);
    for (const word of ['100 MiB', 'the wrapper itself', 'launch', 'private memory', 'completed', join(site.directory, 'spool')])
      expect(stderr).to.contain(word);
  });

  it('nothing of the job steers the wrapper: NODE_OPTIONS, NODE_ENV and plugins below HOME do nothing', async () => {
    const evil = join(site.directory, 'evil.cjs');
    writeFileSync(evil, 'process.stderr.write("EVIL\\n");');
    const env = {
      ...process.env,
      NODE_OPTIONS: `--require ${evil}`,
      NODE_ENV: 'development',
      HOME: site.directory,
      XDG_DATA_HOME: site.directory,
    };
    const {code, stdout, stderr} = await ending(
      site.start(['run', '--policy', site.policy(), '--', '/bin/sh', '-c', 'echo $NODE_ENV'], {env}),
    );
    expect([code, stdout, stderr]).to.deep.equal([0, 'development\n', '']);
  });
});
