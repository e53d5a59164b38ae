/** Which engine builds a box: the policy's, and what follows where it cannot. What each then builds is tried by test/engines. */

import {spawn} from 'node:child_process';
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {ENGINES} from '../../../src/plugins.js';
import {describeSite} from '../../support/describe-site.js';
import {kernelSince} from '../../support/groups.js';
import {need, needKernel} from '../../support/need.js';
import {bin, ending, isRoot} from '../../support/tare.js';

const sh = (script: string): string[] => ['--', '/bin/sh', '-c', script];
const isHere = (places: readonly string[]): boolean => places.some((place) => existsSync(place));

describeSite('engines of the policy, %s', {}, (site) => {
  const obstacle = (policy: object, argv: readonly string[]) => site.run([...argv, ...sh('true')], {policy});

  it('a job that wants an engine is refused before anything starts, where the policy does not list it or it cannot do the plan', async () => {
    const forbidden = await obstacle({engines: ['bubblewrap']}, ['--engine', 'crun']);
    expect([forbidden.code, forbidden.record.outcome.code]).to.deep.equal([126, 'ENGINE_FORBIDDEN']);
    const unable = await obstacle({}, ['--engine', 'runc']);
    expect([unable.code, unable.record.outcome.code]).to.deep.equal([125, 'BOX_UNAVAILABLE']);
    expect(unable.stderr).to.match(/runc is used for small machines only/);
  });
});

// in a mount namespace of its own
describeSite('an engine that fails to build the box, %s', {roles: isRoot ? ['root'] : []}, (site) => {
  it('is followed by the next one of the policy', async function () {
    const able = ENGINES.filter(({patterns}) => patterns['ulimit++'] === true);
    const first = able.find(({name, program: {places}}) => name !== 'bubblewrap' && isHere(places));
    needKernel(this, kernelSince(5, 12), 'the second engine needs Linux 5.12');
    need(this, first !== undefined, 'no second engine is installed');
    const broken = join(site.directory, 'broken');
    writeFileSync(broken, '#!/bin/sh\ncase $1 in --version) echo bubblewrap 0.11.0;; *) exit 1;; esac\n', {mode: 0o755});
    const inner = [
      'run',
      '--policy',
      site.policy({engines: ['bubblewrap', first?.name]}),
      '--record',
      join(site.directory, 'spool/next.json'),
      ...sh('echo boxed'),
    ];
    const script = 'mount --make-rprivate / && mount --bind "$0" /usr/bin/bwrap && exec "$@"';
    const argv = ['--mount', '/bin/sh', '-c', script, broken, bin('tare'), ...inner];
    const child = spawn('/usr/bin/unshare', argv, {cwd: site.work, stdio: ['ignore', 'pipe', 'pipe']});
    const {code, stdout, stderr} = await ending(child);
    expect([code, stdout], stderr).to.deep.equal([0, 'boxed\n']);
    const record = JSON.parse(readFileSync(join(site.directory, 'spool/next.json'), 'utf8')) as {
      mode: string;
      engine: {name: string};
      flags: string[];
    };
    expect([record.mode, record.engine.name, record.flags.includes('unboxed')]).to.deep.equal(['box', first?.name, false]);
  });
});
