import {expect} from 'chai';
import {bridgeArgv} from '../../../src/engine/init.js';
import type {Step, StepOf} from '../../../src/plan/step.js';
import {plan} from '../plan/build.js';

const because = 'a test';
const owner: StepOf<'identity.take'> = {op: 'identity.take', uid: 1001, gid: 1002, groups: [1002, 7], because};
const bind = (source: string, options: StepOf<'mount.bind'>['options'], optional = false, destination = source): Step => ({
  op: 'mount.bind',
  source,
  destination,
  options,
  optional,
  because,
});
const ROOT = bind('/', ['ro']);
const WORK = bind('/home/a/work', ['rw']);

/** What root's bridge opens as the account of the box. */
function shownOf(steps: readonly Step[]): string[] {
  const argv = bridgeArgv(
    {...plan(), steps: [...steps]},
    '/scratch/tare-1',
    ['/g/cgroup.procs'],
    {argv: ['/bin/client'], environment: {A: 'b'}},
    (path) => path.startsWith('/home/'),
  );
  expect(argv.slice(0, 6)).to.deep.equal(['/proc/self/fd/4', 'tare-bridge', '/scratch/tare-1/bridge', '2', '/g/cgroup.procs', '--']);
  expect(argv.slice(-4)).to.deep.equal(['--', 'A=b', '--', '/bin/client']);
  return argv.slice(6, -4);
}

describe('the bridge', () => {
  it('opens as the account what is bound for it to write to, and credentials that are there', () => {
    const others = [bind('{box}/tmp', ['rw'], false, '/tmp'), bind('/dev/fuse', ['dev'], true), bind('/usr', ['ro'])];
    const credentials = [bind('/home/a/proxy', ['ro'], true), bind('/gone/proxy', ['ro'], true)];
    expect(shownOf([owner, ROOT, WORK, ...others, ...credentials])).to.deep.equal([
      '1001 1002 1002,7',
      ...['plain', '/home/a/work', '/home/a/work'],
      ...['links', '/home/a/proxy', '/home/a/proxy'],
    ]);
  });

  it('follows links at places in an image', () => {
    expect(shownOf([owner, bind('/images/a', ['ro'], false, '/'), WORK]).slice(1)).to.deep.equal(['links', '/home/a/work', '/home/a/work']);
  });

  it('opens nothing for a wrapper that becomes nobody else, nor for root', () => {
    expect(shownOf([ROOT, WORK])).to.deep.equal([]);
    expect(shownOf([{...owner, uid: 0}, ROOT, WORK])).to.deep.equal([]);
    expect(shownOf([owner, ROOT])).to.deep.equal([]);
  });
});
