/** A job with an image by its name in the store of an engine. */

import type {Engine} from '@tare/contract';
import {expect} from 'chai';
import {parseDocument} from '../../../src/job/document.js';
import type {Facts} from '../../../src/host/facts.js';
import {planRefusal} from '../../../src/plan/engine.js';
import type {ImageFound} from '../../../src/plan/image.js';
import {stepOf, stepsOf} from '../../../src/plan/step.js';
import {ENGINES} from '../../../src/plugins.js';
import {checkSavedPlan} from '../../../src/prepare/saved-plan.js';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import {launchOf} from '../../support/engines.js';
import {
  asUser,
  CONTAINERS,
  CRUN,
  DOCKER,
  facts,
  LXC,
  no,
  plan,
  PODMAN,
  policy,
  ROOT,
  thrown,
  USER,
  WORK,
  yes,
  type Parts,
} from './build.js';

const IMAGE = 'docker://docker.io/library/box:1';
const DIGEST = `sha256:${'b'.repeat(64)}`;
const found: ImageFound = {path: IMAGE, kind: 'reference', digest: DIGEST, architecture: 'amd64', mount: null};
const ROOTS = {caller: ROOT, scratch: {...facts().scratch, containers: {...CONTAINERS, user: false}}};
const RULES = {images: ['docker://docker.io/library/box:*'], engines: ['docker']};
const VIEWS: Facts['views'] = {user: false, overlay: yes, options: ['index=off'], fuse: no, mounts: [], writable: []};
const [CRUNS] = ENGINES.filter(({name}) => name === 'crun') as [Engine];
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
    const rules = {...RULES, engines: ['bubblewrap', 'crun', 'lxc']};
    const error = thrown(() => named({policy: rules, facts: {...ROOTS, engines: [...facts().engines, CRUN, LXC]}}));
    expect(error.code).to.equal('BOX_UNAVAILABLE');
    expect(error.message).to.include('bubblewrap has no store of images (image.root)').and.include('crun has no store of images');
    expect(error.message).to.include('an image of an engine’s store, which only a box can keep');
  });

  it('has no view by Docker, and is in no small machine', () => {
    for (const filesystem of ['shared', 'private'] as const)
      expect(() => named({job: {filesystem}})).to.throw(
        new RegExp(`docker shows an image of its store read-only, without the file system ${filesystem}`),
      );
    expect(() => named({job: {filesystem: 'node'}})).to.throw(/cannot be used together/);
    expect(() => named({job: {image: 'docker://Box'}})).to.throw(/not the name of an image/);
    const error = thrown(() => named({job: {services: [{name: 'x', command: ['x']}]}}));
    expect(error.code).to.equal('BOX_UNAVAILABLE');
  });

  const podmans = (more: Parts = {}, image: ImageFound | null = {...found, store: 'podman'}): Plan =>
    named(
      {...more, policy: {...RULES, engines: ['podman'], ...more.policy}, facts: {engines: [PODMAN], views: VIEWS, ...more.facts}},
      image,
    );

  it('of Podman’s store is unpacked into the cache by its digest, and the box has a view of it, to write to', () => {
    const made = podmans();
    const tree = stepOf(made, 'image.take')?.tree ?? '';
    expect(stepOf(made, 'image.take')).to.include({path: IMAGE, kind: 'reference', digest: DIGEST});
    expect(tree).to.match(new RegExp(`/images/trees/${'b'.repeat(64)}$`));
    expect(stepOf(made, 'image.root')).to.equal(undefined);
    expect(stepOf(made, 'mount.overlay')).to.include({lower: `${tree}/root`, destination: '/'});
    expect(stepsOf(made, 'mount.point').map(({path}) => path)).to.include.members(['/proc', '/dev', '/tmp', WORK]);
    expect(stepsOf(made, 'mount.bind').find(({destination}) => destination === '/')?.options).to.deep.equal(['rw']);
    const {argv} = launchOf(made);
    expect(argv[argv.indexOf('--rootfs') + 1]).to.equal('/b/view/0');
    expect(argv).not.to.include(DIGEST);
    expect(podmans({job: {filesystem: 'private'}}).mode.value).to.equal('box');
    expect(stepOf(podmans({}, null), 'image.take')).to.include({kind: 'reference', digest: null, tree: null});
  });

  it('is of the first engine that can have it as the job wants it, and of that one’s store', () => {
    const both = (more: Parts, image?: ImageFound): Plan =>
      podmans(
        {policy: {engines: ['podman', 'docker'], ...more.policy}, job: more.job, facts: {engines: [PODMAN, DOCKER], ...more.facts}},
        image,
      );
    expect(both({}).engine.name).to.equal('podman');
    expect(both({}, {...found, store: 'docker'}).engine.because).to.include('podman has another store than docker');
    const node = both({policy: {filesystem: ['node']}}, found);
    expect([node.engine.name, node.engine.because]).to.satisfy(
      ([name, because]: string[]) => name === 'docker' && because?.includes('allows no file system shared'),
    );
    expect(both({facts: {views: {...VIEWS, overlay: no}}}, found).engine.because).to.match(
      /podman has views of its images, and none can be made/,
    );
    const written = both({policy: {engines: ['docker', 'podman']}, job: {filesystem: 'shared'}}, found);
    expect([written.engine.name, written.engine.because]).to.satisfy(
      ([name, because]: string[]) => name === 'podman' && because?.includes('docker shows an image of its store read-only'),
    );
    expect(thrown(() => both({policy: {filesystem: ['node', 'private']}, job: {filesystem: 'shared'}})).code).to.equal(
      'FILESYSTEM_FORBIDDEN',
    );
  });

  it('of a saved plan is written by an engine that has a store, and into its own place of the cache', () => {
    const node = facts({...ROOTS, views: VIEWS, engines: [PODMAN, CRUN]});
    const rules = {...RULES, engines: ['podman', 'crun']};
    const check = (saved: Plan) => checkSavedPlan(saved, 'plan.json', {facts: node, policy: policy(rules), engines: ENGINES, only: null});
    const made = podmans({policy: rules, facts: {engines: [PODMAN, CRUN]}});
    expect(() => check(made)).not.to.throw();
    const engine = {...made.engine, name: 'crun', path: CRUN.path, version: CRUN.version};
    expect(() => check({...made, engine})).to.throw(/PLAN_MISMATCH|does not fit/);
    const crun = planRefusal(CRUNS, made);
    expect(crun).to.equal('writes no image of a store to an archive (image.take)');
    const change = (more: object): Plan => ({
      ...made,
      steps: made.steps.map((step) => (step.op === 'image.take' ? {...step, ...more} : step)),
    });
    expect(() => check(change({path: 'docker://docker.io/library/other:1'}))).to.throw(/image is not allowed/);
    expect(() => check(change({digest: `sha256:${'d'.repeat(64)}`}))).to.throw(/unpacked elsewhere/);
    expect(() => check(change({tree: null}))).to.throw();
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
