/** Containers of LXC: lxc.container.conf(5), and what its tools and Proxmox VE write. */
import {expect} from 'chai';
import {checkPrinted, errorsOf, fixtures, importText, leftOf, messageOf, neverCrashes, placesOf, proposalsOf, takenOf} from './reading.js';

const FILES = fixtures('lxc');
const INCLUDED = {'includes.d/limits.conf': '# taken in by includes.conf\nlxc.cgroup2.memory.max = 100M\n  lxc.cgroup2.pids.max=20\n'};
const read = (name: string) => importText(FILES.find((file) => file.name === name)!.text, null, 'F', INCLUDED);
const OWN = 'lxc.init.cmd = /bin/sh\n';
const limitsOf = async (text: string): Promise<unknown> => (await importText(OWN + text, 'lxc')).job.limits;

describe('LXC’s containers', function () {
  this.timeout(60_000);

  it('has ten files, each of which is printed as what it was read as', async () => {
    expect(FILES.map(({name}) => name)).to.have.length(10);
    for (const {name} of FILES) await checkPrinted(await read(name));
  });

  it('says something of each line', async () => {
    for (const {name, text} of FILES) {
      const places = placesOf(await read(name));
      const unsaid = [...text.split('\n').entries()].flatMap(([index, line]) =>
        /^\s*(?:#|$)/.test(line) || places.has(`F:${index + 1}:1`) ? [] : [`${name}: ${line}`],
      );
      // of these the value is in that of another, or in what they include
      expect(unsaid.filter((line) => !/cfs_period_us|\.link|\.address|\.ipv4|includes\.d/.test(line))).to.deep.equal([]);
    }
  });

  it('download: an unprivileged container of LXC 6, its ids for the policy', async () => {
    const imported = await read('download.conf');
    expect(imported.job).to.deep.equal({
      schema: 'tare/job/v1',
      name: 'box',
      image: '/home/alice/.local/share/lxc/box/rootfs',
      command: ['/sbin/init'],
    });
    expect(proposalsOf(imported)).to.deep.equal([
      'identity.hostname "box" F:19:1',
      'images "/home/alice/.local/share/lxc/box/rootfs" F:18:1',
      'identity.machineIds {"start":100000,"count":65536} F:16:1',
    ]);
    // a bridge without an address is no pool
    expect(leftOf(imported)).to.include.members([
      'F:22:1 lxc.net.0.type = veth',
      'F:23:1 lxc.net.0.link = lxcbr0',
      'F:17:1 lxc.idmap = g 0 100000 65536',
    ]);
  });

  it('busybox: quotes, an empty network, and file systems that each box has', async () => {
    const imported = await read('busybox.conf');
    expect(imported.job).to.deep.equal({
      schema: 'tare/job/v1',
      name: 'bb',
      image: '/var/lib/lxc/bb/rootfs',
      command: ['/sbin/init'],
      network: 'none',
    });
    expect(leftOf(imported)).to.include.members([
      'F:21:1 lxc.mount.entry = shm /dev/shm tmpfs defaults 0 0',
      'F:22:1 lxc.mount.entry = /lib lib none ro,bind 0 0',
      'F:16:1 lxc.cap.drop = sys_module mac_admin mac_override sys_time',
    ]);
  });

  it('debian-legacy: keys of LXC 1 and 2 are those of today', async () => {
    const imported = await read('debian-legacy.conf');
    expect(imported.job).to.deep.equal({
      schema: 'tare/job/v1',
      name: 'wheezy',
      image: '/var/lib/lxc/wheezy/rootfs',
      command: ['/sbin/init'],
      // memsw is memory and swap: 1024 MiB - 512 MiB
      limits: {cores: 2, pinCores: true, memory: '512MiB', swap: '524288KiB', openFiles: 4096},
    });
    expect(imported.policy?.identity).to.deep.equal({
      hostname: 'wheezy',
      machineIds: {start: 100000, count: 10000},
      pools: [{name: 'br0', kind: 'bridge', bridge: 'br0', ranges: ['10.2.3.5-10.2.3.5/24'], gateway: ['10.2.3.1']}],
      address: ['bridge'],
    });
    expect(imported.policy?.devices).to.deep.equal(['/dev/fuse']);
    expect(leftOf(imported)).to.include.members([
      'F:16:1 lxc.mount = /var/lib/lxc/wheezy/fstab',
      'F:29:1 lxc.cgroup.devices.allow = c 1:3 rwm',
      'F:34:1 lxc.limit.nofile = 1024:4096',
    ]);
  });

  it('proxmox: what pct start writes', async () => {
    const imported = await read('proxmox.conf');
    expect(imported.job).to.deep.equal({
      schema: 'tare/job/v1',
      name: 'ct104',
      image: '/var/lib/lxc/104/rootfs',
      command: ['/sbin/init'],
      environment: {TERM: 'linux'},
      limits: {cores: 1.5, pinCores: true, memory: 2_147_483_648, memoryHigh: 2_130_706_432, swap: 536_870_912},
    });
    expect(proposalsOf(imported)).to.include('seccomp "pilot" F:12:1');
  });

  it('complex: a bridge and a macvlan are pools; a physical device is not', async () => {
    const imported = await read('complex.conf');
    expect(imported.policy?.identity?.pools).to.deep.equal([
      {
        name: 'br0',
        kind: 'bridge',
        bridge: 'br0',
        ranges: ['10.2.3.5-10.2.3.5/24', '2003:db8:1:0:214:1234:fe0b:3597-2003:db8:1:0:214:1234:fe0b:3597/64'],
      },
      {name: 'eth0', kind: 'macvlan', parent: 'eth0', ranges: ['10.2.4.4-10.2.4.4/24']},
    ]);
    expect(imported.policy?.identity?.address).to.deep.equal(['bridge', 'macvlan']);
    expect(leftOf(imported)).to.include.members([
      'F:15:1 lxc.net.2.type = phys',
      'F:17:1 lxc.net.2.link = random0',
      'F:22:1 lxc.cgroup.devices.allow = b 8:0 rw',
    ]);
  });

  it('execute: a program with words in quotes, its directory, and what it mounts', async () => {
    const imported = await read('execute.conf');
    expect(imported.job).to.deep.equal({
      schema: 'tare/job/v1',
      name: 'hits',
      image: '/srv/images/alma9',
      command: ['/opt/sim/bin/simulate', '--events', '1000', '--name', 'two words', 'a "b"'],
      workDirectory: '/srv/hits',
      environment: {OMP_NUM_THREADS: '4', SEED: ''},
      limits: {memory: '4GiB', swap: 0, processes: 200, openFiles: 4096, coreSize: 0, scratch: '64MiB'},
      network: 'host',
    });
    expect(proposalsOf(imported)).to.deep.equal([
      'identity.hostname "hits" F:2:1',
      'images "/srv/images/alma9" F:3:1',
      'writable "/srv/hits" F:12:1',
      'scratch.inMemory true F:15:1',
      'devices "/dev/fuse" F:16:1',
    ]);
    expect(leftOf(imported)).to.include.members([
      'F:7:1 lxc.init.uid = 1000',
      'F:11:1 lxc.environment = LANG',
      'F:25:1 lxc.prlimit.memlock = unlimited',
    ]);
  });

  it('both-groups: the line for version 2 counts, and limits that are lifted are none', async () => {
    const imported = await read('both-groups.conf');
    expect(imported.job.limits).to.deep.equal({memory: '256MiB'});
    expect(leftOf(imported)).to.include.members([
      'F:3:1 lxc.cgroup.memory.limit_in_bytes = 268435456',
      'F:5:1 lxc.cgroup2.memory.high = max',
      'F:8:1 lxc.cgroup.cpu.cfs_quota_us = 25000',
      'F:9:1 lxc.cgroup2.cpu.max = max 100000',
      'F:10:1 lxc.cgroup2.pids.max = max',
      'F:14:1 lxc.prlimit.nofile = 1024:unlimited',
    ]);
  });

  it('cleared: an empty value takes back, a later line replaces, the same twice is one proposal', async () => {
    const imported = await read('cleared.conf');
    expect(imported.job).to.deep.equal({schema: 'tare/job/v1', name: 'second', command: ['/bin/sh'], firstProcess: true, network: 'none'});
    expect(proposalsOf(imported)).to.deep.equal([
      'identity.hostname "second" F:2:1',
      'writable "/srv/b" F:5:1',
      'devices "/dev/net/tun" F:8:1',
    ]);
    expect(imported.left.find(({origin}) => origin.at === 'F:3:1')?.because).to.equal('F:4:1 takes it back');
    expect(imported.left.find(({origin}) => origin.at === 'F:9:1')?.because).to.equal('F:8:1 asks for the same');
  });

  it('includes: other files have their own places', async () => {
    const imported = await read('includes.conf');
    expect(imported.job).to.deep.equal({
      schema: 'tare/job/v1',
      name: 'including',
      command: ['/bin/true'],
      firstProcess: true,
      limits: {memory: '100MiB', processes: 20},
    });
    expect(takenOf(imported)).to.include.members([
      '/limits/memory includes.d/limits.conf:2:1',
      '/limits/processes includes.d/limits.conf:3:3',
    ]);
    const without = await importText(FILES.find(({name}) => name === 'includes.conf')!.text, null);
    expect(without.job.limits).to.equal(undefined);
    expect(leftOf(without)).to.include('F:1:1 lxc.include = includes.d/limits.conf');
  });

  it('node-root: the node’s files, and a key that nobody knows', async () => {
    const imported = await read('node-root.conf');
    expect(imported.job).to.deep.equal({
      schema: 'tare/job/v1',
      name: 'box',
      command: ['/usr/bin/sleep', '10'],
      firstProcess: true,
      limits: {scratch: '10MiB'},
      network: 'none',
    });
    expect(imported.left.find(({origin}) => origin.at === 'F:14:1')?.because).to.equal('unknown to this reader');
  });

  it('addresses are a pool of one network of each family', async () => {
    const net = 'lxc.net.0.type = veth\nlxc.net.0.link = br0\n';
    const imported = await importText(
      `${OWN}${net}lxc.net.0.ipv4.address = 10.2.3.5/24\nlxc.net.0.ipv4.address = 10.9.9.5/24\nlxc.net.0.ipv6.gateway = fe80::1\nlxc.net.0.ipv4.gateway = 10.2.3.1`,
      null,
    );
    expect(imported.policy?.identity?.pools).to.deep.equal([
      {name: 'br0', kind: 'bridge', bridge: 'br0', ranges: ['10.2.3.5-10.2.3.5/24'], gateway: ['10.2.3.1']},
    ]);
    expect(leftOf(imported)).to.include.members(['F:5:1 lxc.net.0.ipv4.address = 10.9.9.5/24', 'F:6:1 lxc.net.0.ipv6.gateway = fe80::1']);
    const two = await importText(
      `${OWN}${net}lxc.net.0.ipv4.address = 10.2.3.5/24\n${net.replaceAll('.0.', '.1.')}lxc.net.1.ipv4.address = 10.2.3.6/24`,
      null,
    );
    expect(two.policy?.identity?.pools).to.have.length(1);
    expect(two.left.find(({origin}) => origin.at === 'F:5:1')?.because).to.contain('two pools have the same name');
  });

  it('sizes are as the kernel reads them, quotas in cores', async () => {
    expect(await limitsOf('lxc.cgroup2.memory.max = 1g')).to.deep.equal({memory: '1GiB'});
    expect(await limitsOf('lxc.cgroup2.memory.max = 1P')).to.deep.equal({memory: 2 ** 50});
    // the kernel’s own word for no limit in version 1
    expect(await limitsOf('lxc.cgroup.memory.limit_in_bytes = 9223372036854771712')).to.equal(undefined);
    expect(await limitsOf('lxc.cgroup2.cpu.max = 50000')).to.deep.equal({cores: 0.5});
    expect(await limitsOf('lxc.cgroup.cpu.cfs_quota_us = 25000\nlxc.cgroup.cpu.cfs_period_us = 50000')).to.deep.equal({cores: 0.5});
    expect(await limitsOf('lxc.cgroup.cpu.cfs_quota_us = -1')).to.equal(undefined);
    expect(await limitsOf('lxc.cgroup2.cpuset.cpus = 0-3,7\nlxc.cgroup2.cpu.max = 800000 100000')).to.deep.equal({
      cores: 5,
      pinCores: true,
    });
    expect(await limitsOf('lxc.cgroup2.memory.max = 100M\nlxc.cgroup.memory.memsw.limit_in_bytes = 104857601')).to.deep.equal({
      memory: '100MiB',
      swap: 1,
    });
  });

  it('reads a table of mounts, targets below the root too', async () => {
    const text = `${OWN}lxc.rootfs.path = /r\nlxc.mount.fstab = tab\n`;
    const imported = await importText(text, null, 'F', {tab: '# mounts\nproc proc proc nodev 0 0\n/srv/x /r/srv/x none bind 0 0\n'});
    expect(proposalsOf(imported)).to.include('writable "/srv/x" tab:3:1');
    expect(leftOf(imported)).to.include('tab:2:1 proc proc proc nodev 0 0');
  });

  it('does not show what is in a file that is no configuration', async () => {
    const text = `${OWN}lxc.include = secret\n`;
    const imported = await importText(text, null, 'F', {secret: 'root:$y$j9T$aaaa:20000:0:99999:7:::\n'});
    expect(leftOf(imported)).to.include('secret:1:1 a line');
    expect(await errorsOf(`${OWN}lxc.mount.fstab = secret`, 'lxc', {secret: 'root:$y$j9T$aaaa:20000:0:99999:7:::\n'})).to.deep.equal([
      'secret:1:1: not a mount; found: 1 words; allowed: SOURCE TARGET TYPE OPTIONS, as in fstab(5)',
    ]);
  });

  it('text of a description cannot leave its line', async () => {
    const imported = await importText(
      `lxc.uts.name = a\u0085b\u2028c\u202ed\n${OWN}lxc.x.y = \u2029z: 1\nlxc.environment = A=b\u{e0001}# c\n`,
      null,
    );
    expect(imported.job.name).to.equal('a\u0085b\u2028c\u202ed');
    expect(imported.job.environment).to.deep.equal({A: 'b\u{e0001}# c'});
    await checkPrinted(imported);
  });

  it('is recognised by its first key', async () => {
    for (const text of ['lxc.uts.name=a', '# c\n\n  lxc.init.cmd = /bin/sh', '\uFEFF#\r\nlxc.include = /x'])
      expect((await importText(text, null)).format).to.equal('lxc');
    for (const text of [
      'arch: amd64\nlxc.idmap: u 0 1 2',
      'NAME="x"\nlxc.uts.name = a',
      '[lxc.x]',
      '- lxc.x = 1',
      'lxcx.a = 1',
      'start lxc.a=b',
    ])
      expect(await messageOf(importText(text, null))).to.contain('none of the formats that are read');
  });

  const loop = {a: 'lxc.include = b\n', b: '\nlxc.include = a\n'};
  const deep = Object.fromEntries([...Array(30).keys()].map((index) => [String(index), `lxc.include = ${index + 1}\n`]));
  const BROKEN: readonly [string, string, RegExp, Record<string, string>?][] = [
    ['a line without =', 'lxc.uts.name box', /^F:2:1: a line without =; found: "lxc.uts.name box"; allowed: KEY = VALUE$/],
    ['memory that is no size', 'lxc.cgroup2.memory.max = 1.5G', /^F:2:1: not a size; found: "1.5G"/],
    ['memory in hexadecimal', 'lxc.cgroup2.memory.max = 0x10', /^F:2:1: not a size/],
    ['memory with a unit of two letters', 'lxc.cgroup.memory.limit_in_bytes = 512MB', /^F:2:1: not a size/],
    ['no memory at all', 'lxc.cgroup2.memory.max = 0', /^F:2:1 lxc.cgroup2.memory.max = 0: nothing can run with that/],
    [
      'memory and swap below memory',
      'lxc.cgroup.memory.limit_in_bytes = 2G\nlxc.cgroup.memory.memsw.limit_in_bytes = 1G',
      /^F:3:1: memory and swap together are less than memory/,
    ],
    ['processes that are no number', 'lxc.cgroup2.pids.max = many', /^F:2:1: not a number of processes; found: "many"/],
    ['no processes', 'lxc.cgroup2.pids.max = 0', /^F:2:1 lxc.cgroup2.pids.max = 0: /],
    ['a quota that is no number', 'lxc.cgroup2.cpu.max = half 100000', /^F:2:1: not a quota in µs; found: "half"/],
    ['a period of 0', 'lxc.cgroup2.cpu.max = 1000 0', /^F:2:1: not a period in µs/],
    ['a quota of nearly nothing', 'lxc.cgroup2.cpu.max = 1 1000000', /^F:2:1 lxc.cgroup2.cpu.max = 1 1000000: /],
    ['CPUs in the wrong order', 'lxc.cgroup.cpuset.cpus = 5-2', /^F:2:1: not a list of CPUs; found: "5-2"/],
    ['more CPUs than there are', 'lxc.cgroup.cpuset.cpus = 0-999999', /^F:2:1: not a list of CPUs/],
    ['a list of CPUs without end', `lxc.cgroup.cpuset.cpus = ${'0-8191,'.repeat(600)}0`, /^F:2:1: a list of CPUs that is too long/],
    ['ids that are none', 'lxc.idmap = u 0 many 65536', /^F:2:1: not a number of an id; found: "many"/],
    ['ids that are missing', 'lxc.idmap = u 0', /^F:2:1: not a number of an id; found: ""/],
    ['a limit that is no number', 'lxc.prlimit.nofile = 10:lots', /^F:2:1: not a limit; found: "lots"/],
    ['a mount of one word', 'lxc.mount.entry = /srv', /^F:2:1: not a mount; found: 1 words; allowed: SOURCE TARGET TYPE OPTIONS/],
    ['a size of a mount', 'lxc.mount.entry = none tmp tmpfs size=big', /^F:2:1: not a size; found: "big"/],
    ['an image above the root', 'lxc.rootfs.path = /srv/../..', /^F:2:1 lxc.rootfs.path = \/srv\/..\/..: /],
    ['a relative image', 'lxc.rootfs.path = rootfs', /^F:2:1 lxc.rootfs.path = rootfs: /],
    ['a variable that no environment has', 'lxc.environment = A B=1', /^F:2:1 lxc.environment = A B=1: not a name/],
    [
      'a name that is a prototype',
      'lxc.environment = __proto__=1',
      /^F:2:1 lxc.environment = __proto__=1: a name that no document may have/,
    ],
    ['a user that is no number', 'lxc.init.uid = root', /^F:2:1: not a user id; found: "root"/],
    ['a file that includes itself', 'lxc.include = a', /^b:2:1: a file that includes itself; found: "a"$/, loop],
    ['files in files', 'lxc.include = 0', /^\d+:1:1: too many files in files; found: "\d+"; allowed: 16 levels$/, deep],
    ['too many lines', 'lxc.arch = x\n'.repeat(10_001), /^F:\d+:1: too many lines/],
    ['bytes', 'lxc.uts.name = \u0007', /^F:2:16: the description is not text; found: the character U\+0007/],
    [
      'a wrong address',
      'lxc.net.0.type = veth\nlxc.net.0.link = br0\nlxc.net.0.ipv4.address = 10.0.0.300/24',
      /^F:4:1 lxc.net.0.ipv4.address = 10.0.0.300\/24: not an address; found: "10.0.0.300"/,
    ],
  ];
  for (const [what, text, message, files] of BROKEN)
    it(`an error with its place: ${what}`, async () => {
      const [first = 'no error'] = await errorsOf(OWN + text, 'lxc', files);
      expect(first).to.match(message);
    });

  it('mutations are read, or errors with a place', async () => {
    await neverCrashes(
      'lxc',
      FILES.map(({text}) => text),
      400,
    );
  });
});
