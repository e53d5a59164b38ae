/** The commands as a person calls them. */
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {Ajv2020} from 'ajv/dist/2020.js';
import {expect} from 'chai';
import {ending, installed, ROLES, Site} from '../support/tare.js';

for (const role of ROLES) {
  describe(`commands, ${role}`, function () {
    this.timeout(20_000);
    let site: Site;
    before(() => {
      site = new Site(role);
    });
    after(() => {
      site.remove();
    });
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

    it('doctor: a table with remedies, JSON, and exit 1 where an allowed pattern cannot run', async () => {
      const healthy = await tare('doctor', '--policy', site.policy({patterns: ['ulimit++']}));
      expect(healthy.code, healthy.stdout).to.equal(0);
      expect(healthy.stdout).to.contain('bubblewrap');
      const json = await tare('doctor', '--json', '--policy', site.policy({patterns: ['ulimit++']}));
      expect(JSON.parse(json.stdout)).to.have.property('facts');
      // the kernel has no such limit
      const wanting = await tare('doctor', '--policy', site.policy({enforcement: {wallTime: 'kernel'}}));
      expect(wanting.code).to.equal(1);
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
      expect(none.stderr).to.match(/^tare: command line: exactly one job is wanted; .+\n$/);
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
}
