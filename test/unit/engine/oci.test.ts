/** A box by an OCI runtime: what a small machine's bundle has is in test/unit/plan/system.test.ts. */

import {expect} from 'chai';
import type {Facts} from '../../../src/host/facts.js';
import {stepOf, stepsOf} from '../../../src/plan/step.js';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import {launchOf, ociConfig} from '../../support/engines.js';
import {asUser, BUBBLEWRAP, call, CONTAINERS, CRUN, facts, plan, ROOT, USER, WORK, type Parts} from '../plan/build.js';

interface Config {
  root: {path: string};
  process: {user: object; args: string[]; capabilities: Record<string, string[]>; noNewPrivileges: boolean};
  mounts: {destination: string; type: string; source: string; options: string[]}[];
  linux: {
    namespaces: {type: string}[];
    uidMappings: object[];
    gidMappings: object[];
    readonlyPaths?: string[];
    maskedPaths?: string[];
    seccomp?: object;
  };
}

const boxed = (parts: Parts = {}): Plan =>
  plan({policy: {engines: ['crun']}, ...parts, facts: {engines: [CRUN], unifiedAt: '/sys/fs/cgroup/unified', ...parts.facts}});
const ROOTS: Partial<Facts> = {caller: ROOT, scratch: {...facts().scratch, containers: {...CONTAINERS, user: false}}};
const rooted = (parts: Parts = {}): Plan => boxed({call: asUser(USER), ...parts, facts: {...ROOTS, ...parts.facts}});
const config = (made: Plan): Config => ociConfig(made) as Config;
const mountAt = (made: Plan, place: string) => config(made).mounts.find(({destination}) => destination === place);
const prepared = (made: Plan): string[] =>
  made.steps.flatMap((step) => {
    if (step.op === 'mount.move') return [`${step.source} ${step.at}`];
    return step.op === 'mount.cover' || step.op === 'mount.terminals' ? [step.at] : [];
  });

describe('a box by crun', () => {
  it('is built on the node’s files, which enter has mounted read-only, as are its terminals; the second version of groups is covered after that', () => {
    for (const made of [boxed(), rooted()]) {
      expect(prepared(made)).to.deep.equal(['/ {box}/node', '/sys/fs/cgroup/unified', '{box}/terminals']);
      expect(config(made).root.path).to.equal('/b/node');
      expect(config(made).mounts.map(({destination}) => destination)).not.to.include('/');
      expect(mountAt(made, '/dev/pts')).to.deep.include({type: 'bind', source: '/b/terminals'});
    }
    expect(prepared(boxed({facts: {unifiedAt: null}}))).to.deep.equal(['/ {box}/node', '{box}/terminals']);
  });

  it('has the payload’s account alone, without capabilities and with no_new_privs', () => {
    const {process, linux} = config(boxed());
    expect(process).to.deep.include({
      user: {uid: USER.uid, gid: USER.gid},
      noNewPrivileges: true,
      args: ['/proc/self/fd/4', 'tare-init', '3'],
    });
    expect(Object.values(process.capabilities).flat()).to.deep.equal([]);
    expect(linux.namespaces.map(({type}) => type)).to.deep.equal(['user', 'pid', 'mount', 'ipc', 'uts']);
    expect(linux.seccomp).to.equal(undefined);
    expect(linux.maskedPaths).to.equal(undefined);
  });

  it('a user’s is made in a namespace with a root, since terminals need one; root’s is made as the payload’s account', () => {
    expect(stepOf(boxed(), 'view.unshare')).to.deep.include({user: true});
    expect(stepOf(boxed(), 'view.unshare')?.root).to.deep.include({uid: USER.uid, uids: {start: 0, count: 0}, engine: true});
    expect(config(boxed()).linux.uidMappings).to.deep.equal([{containerID: USER.uid, hostID: 0, size: 1}]);
    expect(config(boxed()).linux.gidMappings).to.deep.equal([{containerID: USER.gid, hostID: 0, size: 1}]);
    expect(stepOf(rooted(), 'view.unshare')).to.deep.include({user: false, root: null});
    expect(config(rooted()).linux.uidMappings).to.deep.equal([{containerID: USER.uid, hostID: USER.uid, size: 1}]);
  });

  it('the payload’s account can read the bundle and write what crun notes, and nothing else', () => {
    const folders = (made: Plan): string[] =>
      stepsOf(made, 'directory.create').flatMap(({path, mode, owner}) => (/bundle|runtime/.test(path) ? [`${path} ${mode} ${owner}`] : []));
    expect(folders(boxed())).to.deep.equal(['{box}/bundle 0700 caller', '{box}/runtime 0700 caller']);
    expect(folders(rooted())).to.deep.equal(['{box}/bundle 0755 caller', '{box}/runtime 0700 job']);
    expect(launchOf(boxed()).argv.slice(0, 3)).to.deep.equal(['/usr/bin/crun', '--root', '/b/runtime']);
  });

  it('keeps the session keyring of its user', () => {
    for (const made of [boxed(), rooted()]) expect(launchOf(made).argv).to.include('--no-new-keyring');
  });

  it('what is read-only is so with all below it, what is hidden is read-only at last, and the work directory can be written to', () => {
    const made = boxed({job: {network: 'none'}, call: call({run: ['/run/nscd']})});
    expect(mountAt(made, '/run/nscd')?.options).to.deep.equal(['rbind', 'ro', 'rro', 'nosuid', 'nodev']);
    expect(mountAt(made, WORK)?.options).to.deep.equal(['rbind', 'rw', 'nosuid', 'nodev']);
    expect(mountAt(made, '/tmp')).to.deep.include({source: '/b/tmp', options: ['rbind', 'rw', 'nosuid', 'nodev']});
    expect(mountAt(made, '/dev/fuse')?.options).to.deep.equal(['rbind', 'rw', 'nosuid']);
    expect(mountAt(made, '/dev')?.options).to.include.members(['nosuid', 'nodev']);
    expect(config(made).linux.readonlyPaths).to.include.members(['/dev', '/run']);
    expect(config(made).linux.namespaces.map(({type}) => type)).to.include('network');
  });

  it('an automounter’s repositories arrive later too, where the job names none', () => {
    const root = {directories: ['/cvmfs', '/etc', '/usr'], links: {}};
    expect(prepared(boxed({facts: {root}}))).to.include('/cvmfs {box}/node/cvmfs');
    expect(mountAt(boxed({facts: {root}}), '/cvmfs')?.options).to.deep.equal(['rbind', 'ro', 'rro', 'nosuid', 'nodev', 'rslave']);
    expect(prepared(boxed({facts: {root}, job: {cvmfs: ['a.example.org']}}))).not.to.include('/cvmfs {box}/node/cvmfs');
  });

  it('has message queues where Landlock needs them mounted, and Landlock as every box', () => {
    expect(boxed().landlock).to.deep.equal(plan({facts: {engines: [BUBBLEWRAP]}}).landlock);
    expect(mountAt(boxed(), '/dev/mqueue')?.type).to.equal('mqueue');
    expect(mountAt(boxed({facts: {landlock: {abi: 7, queues: false, how: '', remedy: null}}}), '/dev/mqueue')).to.equal(undefined);
  });

  const obstacles: [what: string, parts: Parts, because: RegExp][] = [
    [
      'an older crun, which is good for small machines only',
      {facts: {engines: [{...CRUN, version: '1.15'}]}},
      /crun 1\.15 is too old, 1\.16 is the least/,
    ],
    ['an older kernel', {facts: {kernel: {release: '4.18.0', version: [4, 18], how: ''}}}, /crun needs Linux 5\.12 for a box/],
    ['runc', {policy: {engines: ['runc']}, facts: {engines: [{...CRUN, name: 'runc'}]}}, /runc makes no user namespace without a root/],
  ];
  for (const [what, parts, because] of obstacles)
    it(`is not built: ${what}`, () => {
      const {mode} = boxed(parts);
      expect(mode.value).to.equal('limits-only');
      expect(mode.because).to.match(because);
    });
});
