/** tare-wrap: no flags, argv is the payload's; the policy is the node's own. And the command line when it was started without its shim. */
import {spawn} from 'node:child_process';
import {copyFileSync, existsSync, mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {describeSite} from '../support/describe-site.js';
import {need} from '../support/need.js';
import {bin, ending, installed} from '../support/tare.js';

describeSite('tare-wrap, %s', {mayLeave: true, timeout: 20_000}, (site) => {
  before(function () {
    need(this, !existsSync('/etc/tare/policy.yaml'), 'this node has a policy of its own, which would rule the tests');
  });

  it('takes its whole argv for the payload’s, options and `run` included', async () => {
    const wrap = (...argv: string[]): Promise<{code: number | null; stdout: string; stderr: string}> =>
      ending(spawn(bin('tare-wrap'), argv, {cwd: site.work, ...site.credentials}));
    const {code, stdout, stderr} = await wrap('/bin/sh', '-c', 'echo "$@"; [ $$ -lt 10 ]; exit 7', 'sh', '--verbose', 'run', '--', '');
    expect([code, stdout, stderr]).to.deep.equal([7, '--verbose run -- \n', '']);
    const absent = await wrap('run', '--help');
    expect(absent.code).to.equal(127);
    expect(absent.stderr).to.match(/^tare: the payload could not be executed: .*run.*\n$/);
  });

  it('`node bin/tare.js run` starts a shim of its own, and ends as the payload', async () => {
    const direct = (...argv: string[]): Promise<{code: number | null; signal: string | null; stdout: string; stderr: string}> =>
      ending(
        spawn(process.execPath, [join(installed(), 'bin/tare.js'), 'run', '--policy', site.policy(), '--', ...argv], {
          cwd: site.work,
          ...site.credentials,
        }),
      );
    const ended = await direct('/bin/sh', '-c', 'echo out; echo err >&2; exit 9');
    expect([ended.code, ended.stdout, ended.stderr]).to.deep.equal([9, 'out\n', 'err\n']);
    expect((await direct('/bin/sh', '-c', 'kill -TERM $$')).signal).to.equal('SIGTERM');
    expect(site.leftovers()).to.deep.equal([]);
  });

  it('`node bin/tare.js` says in one line that a part of it cannot be read', async () => {
    mkdirSync(join(site.work, 'bin'));
    for (const name of ['tare.js', 'command-line.js']) copyFileSync(join(installed(), 'bin', name), join(site.work, 'bin', name));
    writeFileSync(join(site.work, 'package.json'), '{"type": "module"}');
    const {code, stderr} = await ending(spawn(process.execPath, [join(site.work, 'bin/tare.js'), 'ps'], site.credentials));
    expect(code).to.equal(125);
    expect(stderr).to.match(/^tare: NOT_BUILT: a part of Tare cannot be read: Cannot find .*\n$/);
  });
});
