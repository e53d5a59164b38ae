/** A job with an image by its name in the store of an engine. */

import {expect} from 'chai';
import {parseDocument} from '../../../src/job/document.js';
import type {ImageFound} from '../../../src/plan/image.js';
import {stepOf, stepsOf} from '../../../src/plan/step.js';
import {ENGINES} from '../../../src/plugins.js';
import {checkSavedPlan} from '../../../src/prepare/saved-plan.js';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import {launchOf} from '../../support/engines.js';
import {asUser, CONTAINERS, CRUN, DOCKER, facts, LXC, plan, PODMAN, policy, ROOT, thrown, USER, WORK, type Parts} from './build.js';

const IMAGE = 'docker://docker.io/library/box:1';
const DIGEST = `sha256:${'b'.repeat(64)}`;
const found: ImageFound = {path: IMAGE, kind: 'reference', digest: DIGEST, architecture: 'amd64', mount: null};
const ROOTS = {caller: ROOT, scratch: {...facts().scratch, containers: {...CONTAINERS, user: false}}};
const RULES = {images: ['docker://docker.io/library/box:*'], engines: ['docker']};
const named = (more: Parts = {}, image: ImageFound | null = found): Plan =>
  plan({
    policy: RULES,
    ...more,
    job: {image: 'docker://box:1', ...more.job},
    call: {...asUser(USER), image: image ?? undefined},
    facts: {engines: [DOCKER], ...ROOTS, ...more.facts},
  });

describe('an image by its name', () => {
  it('is the root of a box by Docker, read-only, by its digest, with what a box has beside it', () => {
    const made = named();
    expect(stepOf(made, 'image.take')).to.deep.include({path: IMAGE, kind: 'reference', digest: DIGEST, tree: null});
    expect(stepOf(made, 'image.root')).to.include({image: IMAGE, digest: DIGEST});
    expect(made.steps.filter(({op}) => ['mount.overlay', 'mount.point', 'view.unshare'].includes(op))).to.deep.equal([]);
    const bound = stepsOf(made, 'mount.bind').map(({destination}) => destination);
    expect(bound).to.include.members(['/sys', '/etc/passwd', '/etc/group', '/tmp', '/var/tmp', WORK]).and.not.include('/');
    const {argv} = launchOf(made);
    expect(argv.slice(-5)).to.deep.equal(['--no-healthcheck', DIGEST, 'tare-connect', '/dev/.tare/socket', '3']);
    const run = argv.slice(argv.indexOf('run'));
    expect(run).to.include.members(['--read-only', '--pull']);
    expect(run[run.indexOf('--pull') + 1]).to.equal('never');
    expect(argv.filter((word) => /target=\/(usr|bin|home)(,|$)/.test(word))).to.deep.equal([]);
  });

  it('is nothing that an engine is told of before its digest is known', () => {
    expect(stepOf(named({}, null), 'image.root')?.digest).to.equal(null);
    expect(() => launchOf(named({}, null))).to.throw(/is not known/);
  });

  it('is allowed by its whole name or its digest, and is none of a path', () => {
    const code = (images: string[], image?: ImageFound) => {
      try {
        return named({policy: {...RULES, images}}, image).mode.value;
      } catch (error) {
        return (error as {code: string}).code;
      }
    };
    expect(code([IMAGE])).to.equal('box');
    expect(code(['docker://docker.io/**'])).to.equal('box');
    expect(code(['docker://**'])).to.equal('box');
    expect(code([DIGEST])).to.equal('box');
    for (const other of [
      'docker://docker.io/library/other:*',
      'docker://registry.example.org/**',
      '/**',
      '/*/*',
      `sha256:${'c'.repeat(64)}`,
    ])
      expect(code([other]), other).to.equal('IMAGE_FORBIDDEN');
    expect(code([])).to.equal('IMAGE_FORBIDDEN');
  });

  it('a pattern of a policy is whole, or an error: it would match nothing', async () => {
    const accepts = async (one: string): Promise<boolean> => {
      const text = JSON.stringify({schema: 'tare/policy/v1', images: [one]});
      return parseDocument({text, file: 'policy.json', kind: 'policy'}).then(
        () => true,
        () => false,
      );
    };
    for (const whole of ['**', 'registry.example.org/**', '*.example.org/a/b:*', 'localhost/box:1', 'reg:5000/a@*', 'docker.io/library/*'])
      expect(await accepts(`docker://${whole}`), whole).to.equal(true);
    for (const odd of ['box:1', 'library/box', '', '/box', '**/box', 'docker.io/library/box', 'reg:5000/box', 'reg.example/a b:1'])
      expect(await accepts(`docker://${odd}`), odd).to.equal(false);
  });

  it('engines without a store refuse it before anything starts, each with its reason', () => {
    const rules = {...RULES, engines: ['bubblewrap', 'crun', 'podman', 'lxc']};
    const error = thrown(() => named({policy: rules, facts: {...ROOTS, engines: [...facts().engines, CRUN, PODMAN, LXC]}}));
    expect(error.code).to.equal('BOX_UNAVAILABLE');
    expect(error.message).to.include('bubblewrap has no store of images (image.root)').and.include('crun has no store of images');
    expect(error.message).to.match(/podman makes its boxes of folders/);
    expect(error.message).to.include('an image of an engine’s store, which only a box can keep');
  });

  it('has no view, and is in no small machine', () => {
    for (const filesystem of ['shared', 'private'] as const)
      expect(() => named({job: {filesystem}})).to.throw(/an image by its name is read-only/);
    expect(() => named({job: {filesystem: 'node'}})).to.throw(/cannot be used together/);
    expect(() => named({job: {image: 'docker://Box'}})).to.throw(/not the name of an image/);
    const error = thrown(() => named({job: {services: [{name: 'x', command: ['x']}]}}));
    expect(error.code).to.equal('BOX_UNAVAILABLE');
  });

  it('of a saved plan is that which the policy allows', () => {
    const node = facts({...ROOTS, engines: [DOCKER]});
    const check = (saved: Plan) => checkSavedPlan(saved, 'plan.json', {facts: node, policy: policy(RULES), engines: ENGINES, only: null});
    const made = named();
    expect(() => check(made)).not.to.throw(/image/);
    const steps = made.steps.map((step) => (step.op === 'image.root' ? {...step, digest: `sha256:${'d'.repeat(64)}`} : step));
    expect(() => check({...made, steps})).to.throw(/shows another image/);
    const other = made.steps.map((step) => (step.op === 'image.take' ? {...step, path: 'docker://docker.io/library/other:1'} : step));
    expect(() => check({...made, steps: other})).to.throw(/image/);
  });
});
