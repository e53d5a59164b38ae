/** A box by Podman, whose configuration is that of a box by crun (test/unit/engine/oci.test.ts). */

import {expect} from 'chai';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import {stepOf} from '../../../src/plan/step.js';
import {launchOf} from '../../support/engines.js';
import {asUser, CONTAINERS, CRUN, facts, plan, PODMAN, ROOT, USER, type Parts} from '../plan/build.js';

const ROOTS = {caller: ROOT, scratch: {...facts().scratch, containers: {...CONTAINERS, user: false}}};
const by = (engine: typeof PODMAN, parts: Parts = {}): Plan =>
  plan({policy: {engines: [engine.name]}, ...parts, facts: {engines: [engine], unifiedAt: '/sys/fs/cgroup/unified', ...parts.facts}});
const rooted = (): Plan => by(PODMAN, {call: asUser({...USER, groups: [100, 27]}), facts: ROOTS});

interface Config {
  root: {path: string};
  process: {args: string[]; user: {uid: number; additionalGids?: number[]}};
  mounts: {destination: string; source: string}[];
  linux: {uidMappings?: object[]; gidMappings?: object[]};
}
const file = (made: Plan, wanted: string): string => launchOf(made).files.find(({name}) => name === wanted)?.text ?? '';
const config = (made: Plan): Config => JSON.parse(file(made, 'config.json')) as Config;

describe('a box by Podman', () => {
  it('is what crun is told, put in place of Podman’s own by a hook; beside it the folder of the bridge is bound, the last', () => {
    const crun = JSON.parse(launchOf(by(CRUN)).files[0]?.text ?? '') as Config;
    const {mounts, process, ...rest} = config(by(PODMAN));
    const {mounts: ofCrun, process: started, ...others} = crun;
    expect(rest).to.deep.equal(others);
    expect(mounts.slice(0, -1)).to.deep.equal(ofCrun);
    expect(mounts.at(-1)).to.deep.include({destination: '/dev/.tare', source: '/b/bridge/at'});
    expect({...process, args: started.args}).to.deep.equal(started);
    expect(process.args).to.deep.equal(['/dev/.tare/init', 'tare-connect', '/dev/.tare/socket', '3']);
    expect(JSON.parse(file(by(PODMAN), 'tare.json'))).to.deep.include({stages: ['precreate'], when: {always: true}});
    expect(file(by(PODMAN), 'tare.json')).to.include('"cat","/b/bundle/config.json"');
  });

  it('is called with files of the box alone, without control groups, networks and descriptors', () => {
    const {argv, environment} = launchOf(by(PODMAN));
    const at = argv.indexOf('run');
    for (const option of ['--root', '--runroot', '--tmpdir', '--hooks-dir', '--default-mounts-file'])
      expect(argv[argv.indexOf(option) + 1], option).to.match(/^\/b\//);
    expect(argv.slice(0, at).join(' ')).to.include('--runtime crun --runtime-flag root=/b/podman/runtime');
    expect(argv.slice(at).join(' ')).to.match(/^run --rm --name tare-ab --cgroups disabled --log-driver none .*--network host /);
    expect(argv.slice(argv.indexOf('--rootfs')).join(' ')).to.equal('--rootfs /b/node /dev/.tare/init tare-connect /dev/.tare/socket 3');
    for (const name of ['CONTAINERS_CONF', 'CONTAINERS_STORAGE_CONF', 'HOME', 'XDG_RUNTIME_DIR', 'TMPDIR'])
      expect(environment?.[name], name).to.match(/^\/b\//);
    expect(environment).to.include({_CONTAINERS_USERNS_CONFIGURED: 'done', _CONTAINERS_ROOTLESS_UID: String(USER.uid)});
    expect(launchOf(rooted()).environment).not.to.have.any.keys('_CONTAINERS_USERNS_CONFIGURED');
  });

  it('a user’s is made in a namespace with a root and keeps the keyring; root’s has an empty one, and the groups of the account', () => {
    expect(stepOf(by(PODMAN), 'view.unshare')?.root).to.deep.include({uid: USER.uid, engine: true});
    expect(config(by(PODMAN)).linux.uidMappings).to.deep.equal([{containerID: USER.uid, hostID: 0, size: 1}]);
    expect(file(by(PODMAN), 'containers.conf')).to.include('keyring = false');
    const id = (each: number) => ({containerID: each, hostID: each, size: 1});
    expect(config(rooted()).linux.uidMappings).to.deep.equal([id(USER.uid)]);
    expect(config(rooted()).linux.gidMappings).to.deep.equal([...new Set([USER.gid, 100, 27])].map(id));
    expect(config(rooted()).process.user).to.deep.equal({uid: USER.uid, gid: USER.gid, additionalGids: [100, 27]});
    expect(file(rooted(), 'containers.conf')).to.include('keyring = true');
  });

  it('a path in its configuration stays one string, whatever is in it', () => {
    const text = launchOf(by(PODMAN), {boxDirectory: '/b"\n[engine]'}).files.find(({name}) => name === 'containers.conf')?.text;
    expect(text?.split('\n').filter((line) => line.startsWith('['))).to.deep.equal(['[containers]', '[engine]']);
  });

  for (const [what, parts, because] of [
    ['an older Podman', {facts: {engines: [{...PODMAN, version: '4.9.3'}]}}, /podman 4\.9\.3 is too old, 5\.0 is the least/],
    ['an older kernel', {facts: {kernel: {release: '4.18.0', version: [4, 18], how: ''}}}, /podman needs Linux 5\.12 for a box/],
  ] as [string, Parts, RegExp][])
    it(`is not built: ${what}`, () => {
      expect(by(PODMAN, parts).mode.because).to.match(because);
    });
});
