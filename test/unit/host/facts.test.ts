import {expect} from 'chai';
import {readdirSync} from 'node:fs';
import {join} from 'node:path';
import type {EngineFacts} from '@tare/contract';
import {engine} from '../../../plugins/bubblewrap/engine.js';
import {askVersion, readEngine} from '../../../src/host/engine.js';
import {parseMountinfo} from '../../../src/host/mountinfo.js';
import {readNamespaces, readNewProc} from '../../../src/host/namespaces.js';
import {readContainers} from '../../../src/host/container.js';
import {readStatus} from '../../../src/host/status.js';
import {ENGINES} from '../../../src/plugins.js';
import {readScratch} from '../../../src/host/scratch.js';
import {factsOf, HOSTS} from './hosts.js';
import {memoryTree} from './memory-tree.js';

describe('facts of captured hosts', () => {
  it('are the same each time, and every captured directory has a file', () => {
    for (const host of hostNames()) {
      expect(factsOf(host), host).to.deep.equal(factsOf(host));
      expect(emptyDirectories(join(HOSTS, host)), host).to.deep.equal([]);
    }
  });

  it('name the node, the account and what it is made of', () => {
    const facts = factsOf('el9-v2-undelegated');
    expect(facts.node.hostname).to.equal('wn001');
    expect(facts.kernel.version).to.deep.equal([5, 14]);
    expect(facts.caller).to.deep.equal({uid: 1001, gid: 1001, groups: [1001], name: 'atlas001', home: '/home/atlas001'});
    expect(facts.cpu.online).to.have.length(16);
    expect(facts.cpu.allowed).to.deep.equal([4, 5, 6, 7]);
    expect(facts.cpu.model).to.match(/Xeon/);
    expect(facts.memory).to.include({totalBytes: 65536000 * 1024, swapBytes: 4194300 * 1024});
    expect(facts.devices).to.deep.equal(['/dev/fuse', '/dev/nvidia-uvm', '/dev/nvidia0', '/dev/nvidiactl']);
    expect(facts.root.links).to.deep.equal({'/bin': 'usr/bin', '/lib': 'usr/lib', '/lib64': 'usr/lib64', '/sbin': 'usr/sbin'});
    expect(facts.root.directories).to.include.members(['/etc', '/usr']).and.not.include('/bin');
  });

  it('have no name for an account of a directory service', () => {
    expect(factsOf('debian13-none').caller).to.include({uid: 30001, name: null, home: null});
  });

  it('see the scratch through a mount point with a blank', () => {
    expect(factsOf('el7-v1', '/scratch disk').scratch).to.include({fileSystem: 'xfs', writable: true});
    expect(factsOf('el7-v1', '/etc').scratch.writable).to.equal(false);
  });
});

describe('namespaces', () => {
  const cases: Record<string, {user: boolean; pid: boolean; newProc: boolean; because?: RegExp; remedy?: RegExp}> = {
    'debian13-v1root': {user: true, pid: true, newProc: true},
    'debian13-v1-user': {user: true, pid: true, newProc: true},
    'el9-v2-condor24': {user: true, pid: true, newProc: true},
    'el7-v1': {user: false, pid: true, newProc: true, because: /max_user_namespaces is 0/, remedy: /user\.max_user_namespaces/},
    'ubuntu24-v2-apparmor': {
      user: false,
      pid: false,
      newProc: false,
      because: /apparmor_restrict_unprivileged_userns is 1/,
      remedy: /AppArmor profile/,
    },
    'debian13-none': {
      user: false,
      pid: false,
      newProc: false,
      because: /unprivileged_userns_clone is 0/,
      remedy: /unprivileged_userns_clone=1/,
    },
    'debian12-v2-docker': {user: false, pid: false, newProc: false, because: /seccomp filter/, remedy: /seccomp=unconfined/},
  };
  for (const [host, {user, pid, newProc, because, remedy}] of Object.entries(cases)) {
    it(`of ${host}`, () => {
      const facts = factsOf(host);
      expect(facts.namespaces.user.available).to.equal(user);
      expect(facts.namespaces.pid.available).to.equal(pid);
      expect(facts.newProc.available).to.equal(newProc);
      if (because !== undefined) expect(facts.namespaces.user.how).to.match(because);
      if (remedy !== undefined) expect(facts.namespaces.user.remedy).to.match(remedy);
      for (const ability of [...Object.values(facts.namespaces), facts.newProc])
        expect(ability.remedy === null).to.equal(ability.available);
    });
  }

  it('are for the engines alone that profiles of AppArmor name, and for Tare itself where one is its', () => {
    const kinds = Object.fromEntries(['user', 'pid', 'mnt', 'ipc', 'uts', 'net', 'cgroup'].map((kind) => [`/proc/self/ns/${kind}`, 'it']));
    const profile = 'profile it flags=(unconfined) {\n  userns,\n}\n';
    const read = (profiles: Record<string, string>): ReturnType<typeof readNamespaces> => {
      const files = Object.entries(profiles).map(([name, text]) => [`/etc/apparmor.d/${name}`, text]);
      const tree = memoryTree({
        ...kinds,
        '/proc/sys/kernel/apparmor_restrict_unprivileged_userns': '1\n',
        ...(Object.fromEntries(files) as Record<string, string>),
      });
      const apparmor = ENGINES.map(({name, program}) => ({name, ...program.apparmor}));
      const caller = {uid: 1000, gid: 1000, groups: [1000]};
      return readNamespaces({tree, mounts: [], status: readStatus(tree), caller, kernel: [6, 8], setuid: null, apparmor});
    };
    expect(read({}).user.available).to.equal(false);
    expect(read({tare: profile}).user.available, 'no engine can').to.equal(false);
    const one = read({'bwrap-userns-restrict': profile, crun: 'profile crun /usr/bin/crun {\n}\n'});
    expect(one.user).to.deep.include({
      how: 'AppArmor profile /etc/apparmor.d/bwrap-userns-restrict, for bubblewrap alone',
      only: ['bubblewrap'],
    });
    expect(readContainers(memoryTree({}), readStatus(memoryTree({})), one).tmpfs.how).to.match(/^no user namespace for Tare itself/);
    const all = read({bwrap: profile, crun: profile, 'disable/crun': '', runc: profile, tare: profile});
    expect(all.user.only).to.deep.equal(['bubblewrap', 'runc', 'tare']);
    expect(all.user.how).to.match(/^AppArmor profiles .*bwrap, for bubblewrap; .*runc, for runc; .*tare, for tare; for these alone$/);
    expect(readContainers(memoryTree({}), readStatus(memoryTree({})), all).tmpfs.available).to.equal(true);
  });

  it('of a kernel without cgroup namespaces', () => {
    expect(factsOf('el7-v1').namespaces.cgroup.available).to.equal(false);
  });
});

describe('a new /proc', () => {
  const {namespaces} = factsOf('debian13-v1-user');
  const proc = '22 21 0:21 / /proc rw,nosuid - proc proc rw\n';
  const ability = (text: string, setuid = false) => readNewProc(parseMountinfo(text), namespaces, setuid ? '/usr/bin/bwrap' : null);

  it('can be mounted when only empty directories are mounted upon', () => {
    expect(
      ability(
        `${proc}33 22 0:29 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw\n34 33 0:40 / /proc/sys/fs/binfmt_misc rw - binfmt_misc b rw\n`,
      ).available,
    ).to.equal(true);
  });

  it('cannot when a file or directory of it is hidden', () => {
    const hidden = ability(`${proc}40 22 0:21 /sys /proc/sys ro - proc proc rw\n47 22 0:61 /null /proc/kcore rw - tmpfs tmpfs rw\n`);
    expect(hidden).to.include({available: false, how: 'mountinfo: mounts hide parts of /proc: /proc/sys, /proc/kcore'});
  });

  it('can after all when another whole /proc is somewhere, or by a setuid bubblewrap', () => {
    const hidden = `${proc}47 22 0:61 /null /proc/kcore rw - tmpfs tmpfs rw\n`;
    expect(ability(`${hidden}50 21 0:70 / /var/proc rw - proc proc rw\n`).available).to.equal(true);
    expect(ability(hidden, true).available).to.equal(true);
  });

  it('cannot from a read-only one, or none', () => {
    expect(ability('22 21 0:21 / /proc ro - proc proc rw\n').how).to.match(/read-only/);
    expect(ability('21 1 0:50 / / rw - overlay overlay rw\n').how).to.match(/no \/proc/);
  });
});

describe('bubblewrap', () => {
  const find = (version: string | null, mode = 0o755, {uid = 1001, noNewPrivileges = false, options = 'rw'} = {}): EngineFacts =>
    readEngine(engine, {
      tree: {...memoryTree({}), program: (path) => (path === '/usr/bin/bwrap' ? {mode, uid: 0, size: 1, mtimeMs: 1} : null)},
      mounts: parseMountinfo(`1 0 8:1 / / ${options} - xfs a rw\n`),
      status: {sysAdmin: false, netAdmin: false, noNewPrivileges, filtered: false, cpusAllowed: null},
      caller: {uid, gid: uid, groups: []},
      version: () => version,
    });

  it('can what its version can', () => {
    const table: [string | null, boolean, boolean, boolean, boolean][] = [
      [null, false, false, false, false],
      ['0.4.1', false, false, false, false],
      ['0.5.0', true, false, false, false],
      ['0.7.0', true, true, false, false],
      ['0.8.0', true, true, true, false],
      ['0.10.0', true, true, true, false],
      ['0.11.0', true, true, true, true],
      ['1.0', true, true, true, true],
    ];
    for (const [version, perms, tmpfsSize, disableUserns, overlay] of table) {
      const wanted = Object.entries({perms, tmpfsSize, disableUserns, overlay}).flatMap(([name, has]) => (has ? [name] : []));
      expect(find(version).abilities, String(version)).to.have.members(wanted);
    }
  });

  it('can less when it is setuid root', () => {
    expect(find('0.11.0', 0o4755)).to.deep.include({
      setuid: true,
      abilities: ['perms'],
    });
    expect(find('0.11.0', 0o4755, {uid: 0}).setuid).to.equal(false);
    expect(find('0.11.0', 0o4755, {noNewPrivileges: true})).to.deep.include({setuid: false, path: '/usr/bin/bwrap'});
    expect(find('0.11.0', 0o4755, {options: 'rw,nosuid'}).setuid).to.equal(false);
  });

  it('is as good as missing when it is setuid root and refuses that', () => {
    const facts = find('0.12.0', 0o4755);
    expect(facts.path).to.equal(null);
    expect(facts.how).to.match(/refuses to run so since 0\.11\.2/);
    expect(find('0.12.0', 0o4755, {uid: 0}).path).to.equal('/usr/bin/bwrap');
  });
});

describe('versions', () => {
  it('are asked for with the arguments of the engine; crun makes no directory then', () => {
    const asked = Object.fromEntries(
      ENGINES.map((one) => {
        let words: readonly string[] = [];
        const spawn = (_: string, args: readonly string[]): null => {
          words = args;
          return null;
        };
        expect(askVersion(spawn, null)(one, '/x', {mode: 0o755, uid: 0, size: 1, mtimeMs: 1})).to.equal(null);
        return [one.name, words];
      }),
    );
    expect(asked).to.deep.include({bubblewrap: ['--version'], crun: ['--root', '/', '--version'], podman: ['--version']});
  });
});

describe('scratch', () => {
  it('on a network file system is not touched', () => {
    const touched = () => {
      throw new Error('touched');
    };
    const tree = {...memoryTree({}), exists: touched, writable: touched, freeBytes: touched};
    const facts = readScratch(tree, parseMountinfo('1 0 8:1 / / rw - xfs a rw\n2 1 0:40 / /home rw - nfs4 s:/h rw\n'), '/home/x/scratch');
    expect(facts).to.include({fileSystem: 'nfs4', freeBytes: null, writable: true});
  });
});

function hostNames(): string[] {
  return readdirSync(HOSTS, {withFileTypes: true})
    .filter((entry) => entry.isDirectory())
    .map(({name}) => name);
}

function emptyDirectories(directory: string): string[] {
  const entries = readdirSync(directory, {withFileTypes: true});
  if (entries.length === 0) return [directory];
  return entries.filter((entry) => entry.isDirectory()).flatMap(({name}) => emptyDirectories(join(directory, name)));
}
