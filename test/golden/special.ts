/**
 * Cases that the captured hosts and the fixtures do not have: small machines, images, networks, repositories. Each takes the facts and the call
 * of a captured host, and changes some.
 */

import type {EngineFacts} from '@tare/contract';
import type {Facts, NetworkFacts, SystemFacts, ViewFacts} from '../../src/host/facts.js';
import type {Call} from '../../src/plan/inputs.js';
import type {JobDocument} from '../../src/schema/generated/job-1.js';
import type {PolicyDocument} from '../../src/schema/generated/policy-1.js';

export interface Special {
  /** HOST.WHAT.VARIANT */
  name: string;
  job: Omit<JobDocument, 'schema'>;
  policy: Omit<PolicyDocument, 'schema'>;
  facts: Partial<Facts>;
  call: Partial<Call>;
}

const how = 'a made-up node';
const yes = {available: true, how, remedy: null};
const no = {available: false, how, remedy: 'mend it'};
const SUBORDINATE = {uids: {start: 100_000, count: 65_536}, gids: {start: 200_000, count: 65_536}, how, remedy: null};
const MACHINES: SystemFacts = {
  subordinate: SUBORDINATE,
  init: null,
};
const CRUN: EngineFacts = {name: 'crun', path: '/usr/bin/crun', version: '1.21', setuid: false, abilities: ['filterFlags'], how};
const LXC: EngineFacts = {...CRUN, name: 'lxc', path: '/usr/bin/lxc-start', version: '6.0.4', abilities: []};
const PODMAN: EngineFacts = {...CRUN, name: 'podman', path: '/usr/bin/podman', version: '5.4.2'};
const DOCKER: EngineFacts = {...CRUN, name: 'docker', path: '/usr/bin/docker', version: '26.1.5', abilities: []};
const RUNC: EngineFacts = {...CRUN, name: 'runc', path: '/usr/sbin/runc', version: '1.1.12', abilities: []};
const QEMU: EngineFacts = {
  ...{...CRUN, name: 'qemu', path: '/usr/bin/qemu-system-x86_64', version: '10.0.13', abilities: ['kvmDevice']},
  parts: {virtiofsd: '/usr/libexec/virtiofsd', kernel: '/boot/vmlinuz-6.12.0-cloud-amd64'},
  less: [{code: 'emulated', because: 'emulated (TCG)'}],
};
const NETWORK: NetworkFacts = {
  programs: {
    ip: '/usr/sbin/ip',
    nft: '/usr/sbin/nft',
    nsenter: '/usr/bin/nsenter',
    unshare: '/usr/bin/unshare',
    pasta: '/usr/bin/pasta',
    slirp4netns: '/usr/bin/slirp4netns',
  },
  ...{admin: yes, bridge: yes, macvlan: yes, nft: yes, user: yes},
  forwarding: {4: true, 6: true},
  ipv4: {global: true},
  ipv6: {kernel: true, global: true},
  files: {hosts: '/etc/hosts', hostname: '/etc/hostname', 'resolv.conf': '/run/systemd/resolve/stub-resolv.conf', 'machine-id': null},
  how,
};
const VIEWS: ViewFacts = {
  user: true,
  overlay: yes,
  options: ['userxattr'],
  fuse: no,
  mounts: [
    {point: '/', type: 'xfs', kind: 'disk', readOnly: false},
    {point: '/cvmfs', type: 'autofs', kind: 'network', readOnly: false},
  ],
  writable: [],
};
const ROOTS_VIEWS: ViewFacts = {
  ...VIEWS,
  user: false,
  options: [],
  mounts: [
    ...VIEWS.mounts,
    {point: '/boot', type: 'ext4', kind: 'disk', readOnly: false},
    {point: '/data', type: 'xfs', kind: 'disk', readOnly: false},
  ],
};
const IMAGES = '/cvmfs/unpacked.cern.ch/*';
const DIGEST = `sha256:${'5'.repeat(64)}`;
const STORED = 'docker://registry.example.org/atlas/el9:1';
const found = (change: Partial<NonNullable<Call['image']>>): Call['image'] => ({
  path: '/images/services',
  kind: 'directory',
  digest: null,
  architecture: 'amd64',
  mount: null,
  ...change,
});
const machine = {image: '/images/services', limits: {memory: '4GiB', wallTime: '1h'}};
const POOLS: NonNullable<NonNullable<PolicyDocument['identity']>['pools']> = [
  {
    name: 'boxes',
    kind: 'bridge',
    bridge: 'tare0',
    make: true,
    nat: true,
    ranges: ['10.20.0.0/24', 'fd00:20::/64'],
    nameservers: ['10.20.0.1'],
  },
  {name: 'farm', kind: 'macvlan', parent: 'eth1', ranges: ['192.0.2.0/26'], gateway: '192.0.2.1', reach: 'box-to-box'},
];
const identity = {address: ['user', 'bridge', 'macvlan', 'none', 'host'], pools: POOLS} satisfies PolicyDocument['identity'];
const applications = [
  {name: 'first', command: ['./simulate'], ready: 'started' as const, restart: {on: 'failure' as const, limit: 2}},
  {name: 'second', command: ['./merge'], needs: ['first']},
];
const CVMFS = ['atlas.cern.ch', 'sft.cern.ch'];

const ENVIRONMENT = {PATH: '/usr/bin:/bin', X509_USER_PROXY: '/tmp/x509up_u1001'};

/** Fills in what a case leaves out. */
const special = (name: string, {job = {}, policy = {}, facts = {}, call = {}}: Partial<Special>): Special => ({
  name,
  job: job.applications === undefined ? {command: ['./run.sh'], ...job} : job,
  policy,
  facts,
  call: {environment: ENVIRONMENT, ...call},
});

export const SPECIAL: readonly Special[] = [
  special('el9-v2-condor24.first.libvirt', {
    job: {name: 'helloworld', command: ['/bin/sh'], firstProcess: true, limits: {memory: '102400KiB'}},
  }),
  special('debian13-v1root.machine.bridge', {
    job: {
      ...machine,
      identity: {hostname: 'box-{n}.example.org', address: 'bridge', pool: 'boxes'},
      services: [
        {name: 'database', command: ['mariadbd'], ready: {port: 3306, within: '1m'}, restart: {on: 'failure', limit: 3}},
        {name: 'web', command: ['./web'], user: 'job', ready: {file: '/run/web.ready'}},
      ],
    },
    policy: {identity, images: [DIGEST], services: {within: '90s'}},
    facts: {engines: [CRUN], system: MACHINES, unifiedAt: '/sys/fs/cgroup/unified', network: NETWORK, views: ROOTS_VIEWS},
    call: {image: found({kind: 'oci-layout', digest: DIGEST})},
  }),
  special('debian12-hybrid.machine.node-root', {
    job: {...machine, services: [{name: 'web', command: ['nginx']}]},
    policy: {images: [machine.image], degraded: 'alarm'},
    facts: {engines: [CRUN], system: MACHINES, views: ROOTS_VIEWS},
    call: {image: found({kind: 'squashfs', mount: {by: 'loop', program: null, options: []}}), lost: ['ids']},
  }),
  special('el9-v2-condor24.machine.systemd', {
    job: {...machine, init: 'systemd', services: ['mariadb', 'nginx'], identity: {address: 'user'}},
    policy: {identity, images: [machine.image]},
    facts: {
      engines: [CRUN],
      system: {...MACHINES, init: '/usr/lib/systemd/systemd'},
      network: NETWORK,
      views: {...VIEWS, overlay: no, fuse: yes},
    },
    call: {
      image: found({kind: 'squashfs', digest: DIGEST, mount: {by: 'squashfuse', program: '/usr/bin/squashfuse_ll', options: ['uid=0']}}),
    },
  }),
  special('el9-v2-systemd-delegate.machine.root', {
    job: {...machine, init: 'systemd', services: ['nginx']},
    policy: {images: [machine.image]},
    facts: {caller: {uid: 0, gid: 0, groups: [0], name: 'root', home: '/root'}, engines: [CRUN], system: MACHINES, views: ROOTS_VIEWS},
    call: {image: found({})},
  }),
  special('debian12-v2-user-session.machine.runc', {
    job: {...machine, applications, primary: 'second', init: 'sysvinit', services: ['cron'], network: 'none'},
    policy: {images: [DIGEST], seccomp: '/etc/tare/seccomp.json'},
    facts: {engines: [RUNC], system: {...MACHINES, init: '/sbin/init'}, views: VIEWS},
    call: {image: found({kind: 'docker-archive', digest: DIGEST})},
  }),
  special('debian12-hybrid.network.macvlan', {
    job: {pattern: 'ulimit++', identity: {pool: 'farm'}},
    policy: {identity},
    facts: {network: NETWORK},
    call: {closed: ['/var/lib']},
  }),
  special('el9-v2-condor24.network.slirp4netns', {
    job: {pattern: 'ulimit++', identity: {hostname: 'box-{id}'}},
    policy: {identity},
    facts: {network: {...NETWORK, programs: {...NETWORK.programs, pasta: null}}},
  }),
  special('el9-v2-condor24.repositories.mounted', {
    job: {cvmfs: CVMFS},
    policy: {
      cvmfs: {
        mount: {
          configDirectory: '/etc/cvmfs',
          configRepository: 'config.example.org',
          parameters: {CVMFS_TIMEOUT: '5'},
          cache: {quota: '2GiB'},
        },
      },
    },
  }),
  special('debian12-hybrid.repositories.image', {
    job: {image: '/cvmfs/unpacked.cern.ch/el9', cvmfs: ['atlas.cern.ch']},
    policy: {
      images: [IMAGES],
      cvmfs: {
        required: ['sft.cern.ch'],
        minimumRevision: {'sft.*': 100},
        onFailure: {wait: '1m', then: 'without'},
        mount: {client: '/opt/cvmfs2', config: ['/etc/tare/cvmfs/%r.conf'], cache: {shared: '/cache'}},
      },
    },
    facts: {views: ROOTS_VIEWS},
    call: {image: found({path: '/cvmfs/unpacked.cern.ch/el9'})},
  }),
  special('el9-v2-condor24.repositories.observed', {
    job: {cvmfs: CVMFS, limits: {scratch: '20GB', memory: '2GB'}},
    policy: {mode: 'observe', scratch: {workDirectory: true}, suspendedTime: 'counted'},
  }),
  special('debian13-v1root.applications.views', {
    job: {applications, filesystem: 'private', onFailure: 'continue', output: 'prefixed'},
    policy: {filesystem: ['node', 'private']},
    facts: {views: ROOTS_VIEWS},
  }),
  special('el9-v2-condor24.surroundings.closed', {
    job: {limits: {memory: '2GB', memoryHigh: '1.5GB', scratch: '1GiB', wallTime: '1h'}, environment: {X509_USER_PROXY: null}},
    policy: {
      run: ['/run/nscd'],
      scratch: {inMemory: true},
      seccomp: 'pilot',
      suspendedTime: 'counted',
      debug: {pauseAt: ['init-before-exec']},
    },
    call: {
      closed: ['/var/lib/condor/execute'],
      run: ['/run/nscd'],
      environment: {...ENVIRONMENT, TARE_POLICY: '/etc/tare/policy.yaml'},
      ownVariables: ['TARE_POLICY'],
      tasks: 4,
      slot: {
        ...{name: 'slot1_2@wn001', cores: null, memoryBytes: null, wallTimeUs: null, cpuTimeUs: null},
        scratchBytes: {value: 50e9, provenance: {source: 'slot', at: 'Disk'}},
        gpus: {value: 1, provenance: {source: 'slot', at: 'GPUs'}},
      },
      writable: [{value: '/data/out', provenance: {source: 'caller', at: 'the batch system'}}],
    },
  }),
  special('debian12-v2-user-session.surroundings.nested', {
    facts: {within: {recordId: '0192f0c1-0000-7000-8000-000000000000', how: 'an init of Tare’s is above'}},
  }),
  special('el9-v2-undelegated.surroundings.degraded', {
    job: {applications, limits: {cores: 2, memory: '2GB', processes: 100}},
    policy: {degraded: 'alarm', log: {level: 'debug', format: 'json'}},
    call: {lost: ['groups'], unboxed: {because: 'tare doctor found that no box can be made', always: false}},
  }),
  special('el9-v2-condor24.engine.user', {
    job: {network: 'none'},
    policy: {engines: ['crun', 'bubblewrap']},
    facts: {engines: [CRUN], unifiedAt: '/sys/fs/cgroup/unified'},
  }),
  special('el9-v2-condor24.engine.lxc', {
    job: {network: 'none'},
    policy: {engines: ['lxc']},
    facts: {engines: [LXC], unifiedAt: '/sys/fs/cgroup/unified'},
  }),
  special('el9-v2-condor24.engine.podman', {
    policy: {engines: ['podman']},
    facts: {engines: [PODMAN], unifiedAt: '/sys/fs/cgroup/unified'},
  }),
  special('debian13-v1root.engine.docker', {
    job: {image: STORED},
    policy: {engines: ['docker'], images: ['docker://registry.example.org/**']},
    facts: {engines: [DOCKER]},
    call: {image: {path: STORED, kind: 'reference', digest: DIGEST, architecture: 'amd64', mount: null, store: 'docker'}},
  }),
  special('debian13-v1root.engine.podman', {
    job: {image: STORED},
    policy: {engines: ['podman'], images: ['docker://registry.example.org/**']},
    facts: {engines: [PODMAN], views: ROOTS_VIEWS},
    call: {image: {path: STORED, kind: 'reference', digest: DIGEST, architecture: 'amd64', mount: null, store: 'podman'}},
  }),
  special('debian13-v1root.engine.libvirt', {
    policy: {engines: ['libvirt']},
    facts: {engines: [{...CRUN, name: 'libvirt', path: '/usr/bin/virsh', version: '11.3.0', abilities: []}], views: ROOTS_VIEWS},
  }),
  special('el9-v2-condor24.engine.qemu', {
    job: {...machine, identity: {address: 'none'}},
    policy: {engines: ['qemu'], images: [machine.image], degraded: 'alarm'},
    facts: {engines: [QEMU], system: MACHINES, network: NETWORK, views: VIEWS},
    call: {image: found({})},
  }),
  special('debian13-v1root.engine.root', {
    job: {applications, filesystem: 'shared'},
    policy: {engines: ['runc', 'crun']},
    facts: {engines: [CRUN, RUNC], views: ROOTS_VIEWS},
  }),
  ...refusals(),
];

function refusals(): Special[] {
  const services = [{name: 'web', command: ['nginx']}];
  return [
    special('el9-v2-condor24.refused.no-runtime', {
      job: {...machine, services},
      policy: {images: [machine.image]},
      facts: {engines: [{...CRUN, path: null, version: null}], system: MACHINES, views: VIEWS},
    }),
    special('el9-v2-condor24.refused.qemu', {
      job: {...machine, services, identity: {address: 'none'}},
      policy: {engines: ['qemu'], images: [machine.image]},
      facts: {engines: [QEMU], system: MACHINES, network: NETWORK, views: VIEWS},
      call: {image: found({})},
    }),
    special('el9-v2-condor24.refused.no-image', {job: {services}}),
    special('el9-v2-condor24.refused.image', {job: {...machine, services}}),
    special('el9-v2-condor24.refused.view', {
      job: {filesystem: 'shared'},
      facts: {views: {...VIEWS, overlay: no}},
    }),
    special('debian12-hybrid.refused.ids', {
      job: {...machine, services},
      policy: {images: [machine.image], identity: {machineIds: {start: 200_000}}},
      facts: {engines: [CRUN], system: MACHINES, views: ROOTS_VIEWS},
      call: {image: found({}), idsTaken: '200000, the account somebody'},
    }),
    special('el9-v2-condor24.refused.address', {
      job: {pattern: 'ulimit++', identity: {address: 'bridge'}},
      policy: {identity},
      facts: {network: {...NETWORK, bridge: no}},
    }),
    special('el9-v2-condor24.refused.repository', {job: {cvmfs: CVMFS}, policy: {cvmfs: {allowed: ['atlas*']}}}),
    special('el9-v2-condor24.refused.own-directory', {job: {workDirectory: '/var/tmp'}}),
    special('el9-v2-condor24.refused.rule', {
      job: {vo: 'cms', name: 'n'},
      policy: {rules: [{name: 'later', match: {vo: ['cms']}, refuse: 'not before May'}]},
    }),
    special('el9-v2-undelegated.refused.degraded', {
      job: {limits: {cores: 2}},
      policy: {degraded: 'refuse'},
      call: {lost: ['groups']},
    }),
  ];
}
