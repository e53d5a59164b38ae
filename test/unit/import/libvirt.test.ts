/** Domains of libvirt: formatdomain and drvlxc of its documentation. */
import {expect} from 'chai';
import {parseXml, type Element} from '../../../src/import/xml.js';
import {checkPrinted, errorsOf, fixtures, importText, leftOf, messageOf, neverCrashes, placesOf, proposalsOf, takenOf} from './reading.js';

const FILES = fixtures('libvirt');
const read = (name: string) => importText(FILES.find((file) => file.name === name)!.text, null);

const lxc = (inside: string, attributes = ''): string =>
  `<domain type='lxc'${attributes}><name>n</name><memory>1024</memory><os><type>exe</type><init>/bin/sh</init></os>${inside}</domain>`;

describe('libvirt’s domains', function () {
  this.timeout(60_000);

  it('has ten files, each of which is printed as what it was read as', async () => {
    expect(FILES.map(({name}) => name)).to.have.length(10);
    for (const {name} of FILES) await checkPrinted(await read(name));
  });

  it('says something of each element', async () => {
    for (const {name, text} of FILES) {
      const places = placesOf(await importText(text, 'libvirt'));
      const unsaid: string[] = [];
      const look = (element: Element, isSaid: boolean): void => {
        const said = isSaid || places.has(element.at);
        // what has elements is said with them, and type is what the reader goes by
        if (element.children.length === 0 && !said && element.name !== 'type') unsaid.push(`${name} ${element.at} ${element.name}`);
        for (const child of element.children) look(child, said);
      };
      const root = parseXml(text, 'F');
      for (const child of root.children) look(child, false);
      // of these the value is in that of another
      expect(unsaid.filter((line) => !/ (?:initarg|period)$/.test(line))).to.deep.equal([]);
    }
  });

  it('helloworld: name, memory in KiB, and the shell; the console is left', async () => {
    const imported = await read('helloworld.xml');
    expect(imported.job).to.deep.equal({
      schema: 'tare/job/v1',
      name: 'helloworld',
      command: ['/bin/sh'],
      firstProcess: true,
      limits: {memory: '102400KiB'},
    });
    expect(takenOf(imported)).to.deep.equal(['/name F:2:3', '/command F:6:5', '/firstProcess F:6:5', '/limits/memory F:3:3']);
    expect(imported.policy).to.equal(null);
    expect(leftOf(imported)).to.deep.equal(["F:9:5 <console type='pty'>"]);
  });

  it('vm1: libvirt does not limit a container by the number of its CPUs; a network without addresses is no pool', async () => {
    const imported = await read('vm1.xml');
    expect(imported.job).to.deep.equal({
      schema: 'tare/job/v1',
      name: 'vm1',
      command: ['/bin/sh'],
      firstProcess: true,
      limits: {memory: '500000KiB'},
    });
    expect(imported.policy).to.equal(null);
    expect(leftOf(imported)).to.deep.equal([
      'F:8:3 <vcpu>1',
      "F:9:3 <clock offset='utc'>",
      'F:10:3 <on_poweroff>destroy',
      'F:11:3 <on_reboot>restart',
      'F:12:3 <on_crash>destroy',
      'F:14:5 <emulator>/usr/libexec/libvirt_lxc',
      "F:15:5 <interface type='network'>",
      "F:18:5 <console type='pty'>",
    ]);
  });

  it('hostdev: the root is an image, and devices are proposed; a network device is not', async () => {
    const imported = await read('hostdev.xml');
    expect(imported.job).to.deep.equal({
      schema: 'tare/job/v1',
      name: 'demo',
      image: '/srv/containers/demo',
      command: ['/bin/sh'],
      firstProcess: true,
      limits: {memory: '500000KiB'},
    });
    expect(proposalsOf(imported)).to.deep.equal([
      'images "/srv/containers/demo" F:17:5',
      'devices "/dev/sdf1" F:26:9',
      'devices "/dev/input/event3" F:31:9',
    ]);
    expect(leftOf(imported)).to.include("F:34:5 <hostdev mode='capabilities' type='net'>");
  });

  it('dumpxml: limits as libvirt applies them, account and directory for the policy', async () => {
    const imported = await read('dumpxml.xml');
    expect(imported.job).to.deep.equal({
      schema: 'tare/job/v1',
      name: 'worker-7',
      command: ['/usr/bin/python3', '-m', 'http.server'],
      firstProcess: true,
      workDirectory: '/srv/www',
      environment: {PYTHONUNBUFFERED: '1', GREETING: 'good morning'},
      // hard_limit over memory; swap is 2097152 - 1572864; 150 ms in 100 ms are fewer than the CPUs 0, 1 and 3
      limits: {cores: 1.5, pinCores: true, memory: '1572864KiB', memoryHigh: '1048576KiB', swap: '524288KiB'},
      network: 'none',
    });
    expect(proposalsOf(imported)).to.deep.equal(['identity.user "www-data" F:34:5', 'writable "/srv/www" F:51:5']);
    expect(leftOf(imported)).to.include.members([
      "F:10:3 <memory unit='KiB'>2097152",
      'F:19:5 <shares>2048',
      'F:46:5 <filesystem> / at /',
      'F:55:5 <filesystem> /srv/data/2026 at /data',
      'F:5:3 <metadata>',
    ]);
  });

  it('virt-install: an init boots a system, and the reason says what to give instead', async () => {
    const imported = await read('virt-install.xml');
    expect(imported.job).to.include({name: 'web', image: '/var/lib/machines/web'});
    expect(imported.job.command).to.deep.equal(['/sbin/init']);
    expect(imported.job.firstProcess).to.equal(undefined);
    expect(proposalsOf(imported)).to.deep.equal(['images "/var/lib/machines/web" F:14:5']);
    expect(imported.left.find(({origin}) => origin.at === 'F:9:5')?.because).to.contain('pattern vm-lite');
    expect(imported.left.find(({origin}) => origin.as === "<interface type='bridge'>")?.because).to.contain('br0');
  });

  it('address: a bridge and addresses are a pool; ids are a range of the policy', async () => {
    const imported = await read('address.xml');
    expect(imported.job.limits).to.deep.equal({memory: '64MiB'});
    expect(imported.policy).to.deep.equal({
      schema: 'tare/policy/v1',
      identity: {
        machineIds: {start: 200000, count: 65536},
        pools: [
          {
            name: 'virbr0',
            kind: 'bridge',
            bridge: 'virbr0',
            ranges: ['192.168.122.5-192.168.122.5/24', 'fd00:77::5-fd00:77::5/64'],
            gateway: ['192.168.122.1'],
          },
        ],
        address: ['bridge'],
      },
      images: ['/srv/images/busybox'],
    });
  });

  it('capabilities: CAP_SYS_ADMIN is a profile for the policy, others are left', async () => {
    const imported = await read('capabilities.xml');
    expect(proposalsOf(imported)).to.deep.equal(['seccomp "pilot" F:17:7', 'images "/mach/jessie" F:27:5']);
    expect(leftOf(imported)).to.include.members(["F:16:7 <mknod state='on'>", "F:18:7 <sys_chroot state='off'>"]);
  });

  it('ram: of /tmp the size is scratch; what needs a mount is left', async () => {
    const imported = await read('ram.xml');
    expect(imported.job).to.deep.equal({
      schema: 'tare/job/v1',
      name: 'ram',
      command: ['/bin/sh', '-c', 'du -s /tmp; echo "it\'s done"'],
      firstProcess: true,
      limits: {memory: '1GB', scratch: '10MiB'},
    });
    expect(proposalsOf(imported)).to.deep.equal(['scratch.inMemory true F:14:5']);
    expect(leftOf(imported)).to.include.members([
      "F:18:5 <filesystem type='ram'> at /mnt/mississippi",
      'F:22:5 <filesystem type>',
      'F:27:5 <filesystem type>',
      'F:31:5 <filesystem type>',
    ]);
  });

  it('sharenet: limits that are lifted, namespaces of others, root as account', async () => {
    const imported = await read('sharenet.xml');
    expect(imported.job).to.deep.equal({
      schema: 'tare/job/v1',
      name: 'container2',
      command: ['/bin/sleep', 'infinity'],
      firstProcess: true,
      limits: {memory: '1048576KiB'},
    });
    expect(proposalsOf(imported)).to.deep.equal(['identity.allowRoot true F:22:5']);
    expect(leftOf(imported)).to.include.members([
      "F:6:5 <hard_limit unit='KiB'>9007199254740991",
      'F:16:5 <quota>-1',
      "F:25:5 <interface type='direct'>",
      "F:28:5 <interface type='ethernet'>",
      'F:32:3 <lxc:namespace>',
    ]);
  });

  it('qemu: of a virtual machine name, memory and CPUs', async () => {
    const imported = await read('qemu.xml');
    expect(imported.job).to.deep.equal({schema: 'tare/job/v1', name: 'demo2', limits: {cores: 2, memory: '131072KiB'}});
    expect(imported.policy).to.equal(null);
    expect(imported.left.find(({origin}) => origin.as === '<os>')?.because).to.contain('give the payload as command');
  });

  it('units: as virScaleInteger, those that a job lacks in bytes', async () => {
    const of = async (unit: string, number: string): Promise<unknown> =>
      (await importText(lxc('').replace('<memory>1024', `<memory unit='${unit}'>${number}`), null)).job.limits?.memory;
    expect(await of('bytes', '1048576')).to.equal(1_048_576);
    expect(await of('b', '1048576')).to.equal(1_048_576);
    expect(await of('KB', '1000')).to.equal('1000kB');
    expect(await of('k', '1000')).to.equal('1000KiB');
    expect(await of('MiB', '3')).to.equal('3MiB');
    expect(await of('g', '3')).to.equal('3GiB');
    expect(await of('TB', '2')).to.equal('2TB');
    expect(await of('PiB', '1')).to.equal(2 ** 50);
    // 8 EiB and more than 2^53 bytes: no limit
    expect(await of('EiB', '8')).to.equal(undefined);
  });

  it('text of a description cannot leave its line', async () => {
    const imported = await importText(
      lxc("<title>a&#10;command: [/bin/rm]&#x85;&#x2028;b</title><os2 x='&#10;y: z'/>").replace('>n<', '>n#&#x202e;<'),
      null,
    );
    expect(imported.job.name).to.equal('n#\u202e');
    await checkPrinted(imported);
  });

  it('is of no other format', async () => {
    for (const text of ['<domainsnapshot/>', '<!-- <domain> --><network/>', 'domain', '<?xml version="1.0"?>', '<!-- <domain type="lxc">'])
      expect(await messageOf(importText(text, null))).to.contain('none of the formats that are read');
  });

  const BROKEN: readonly [string, string, RegExp][] = [
    ['nothing', '', /^F:1:1: not well-formed XML|^F: /],
    ['no XML', 'domain', /^F:1:\d+: not well-formed XML/],
    ['an open element', "<domain type='lxc'><name>", /^F:1:26: not well-formed XML: unclosed tag/],
    ['a wrong end', "<domain type='lxc'>\n<name></nome></domain>", /^F:2:14: not well-formed XML/],
    ['a document type', "<!DOCTYPE domain [<!ENTITY x 'y'>]>\n<domain type='lxc'/>", /^F:1:\d+: a document type declaration/],
    ['an entity', lxc('<title>&x;</title>'), /^F:1:\d+: not well-formed XML: undefined entity/],
    ['the same attribute twice', "<domain type='lxc' type='lxc'/>", /^F:1:\d+: not well-formed XML: duplicate attribute/],
    ['a character that XML has not', lxc('<title>&#0;</title>'), /^F:1:\d+: not well-formed XML/],
    ['another root', "<network type='lxc'/>", /^F:1:1: not a domain; found: "<network>"; allowed: <domain type=…>$/],
    ['no type', '<domain/>', /^F:1:1: a type of domain that is not read; found: nothing; allowed: lxc, qemu, kvm$/],
    ['another type', "<domain type='xen'/>", /^F:1:1: a type of domain that is not read; found: "xen"/],
    ['no os', "<domain type='lxc'><name>n</name></domain>", /^F:1:1: os is missing/],
    ['no type of os', lxc('').replace('<type>exe</type>', ''), /^F:1:55: the type of the operating system is missing/],
    ['a type of os for machines', lxc('').replace('exe', 'hvm'), /^F:1:59: a container executes a program; found: "hvm"; allowed: exe$/],
    ['memory that is no number', lxc('').replace('1024', '1e3'), /^F:1:34: not a size; found: "1e3"/],
    ['a wrong unit', lxc('').replace('<memory>', "<memory unit='lots'>"), /^F:1:34: not a unit of memory; found: "lots"/],
    ['no memory at all', lxc('').replace('1024', '0'), /^F:1:34 <memory>: nothing can run with that; found: 0KiB/],
    [
      'swap below memory',
      lxc('<memtune><swap_hard_limit>512</swap_hard_limit></memtune>'),
      /^F:1:\d+: memory and swap together are less than memory; found: "512"/,
    ],
    ['a wrong list of CPUs', lxc("<vcpu cpuset='3-1'>2</vcpu>"), /^F:1:\d+: not a list of CPUs; found: "3-1"/],
    ['a list without CPUs', lxc("<vcpu cpuset='1,^1'>2</vcpu>"), /^F:1:\d+: a list without CPUs/],
    ['CPUs that are no number', lxc('<vcpu>two</vcpu>'), /^F:1:\d+: not a number of CPUs; found: "two"/],
    ['a period of 0', lxc('<cputune><period>0</period><quota>1</quota></cputune>'), /^F:1:\d+: not a period in µs; found: "0"/],
    ['a quota of nearly nothing', lxc('<cputune><quota>1</quota></cputune>'), /^F:1:\d+ <quota>: .*not a number of cores|too small/],
    [
      'a file system without a target',
      lxc("<devices><filesystem><source dir='/x'/></filesystem></devices>"),
      /the target of a file system is missing/,
    ],
    [
      'a relative source',
      lxc("<devices><filesystem><source dir='x'/><target dir='/'/></filesystem></devices>"),
      /not an absolute path; found: "x"/,
    ],
    [
      'an image above the root',
      lxc("<devices><filesystem><source dir='/x/../..'/><target dir='/'/></filesystem></devices>"),
      /^F:1:\d+ <filesystem>/,
    ],
    [
      'a device elsewhere',
      lxc("<devices><hostdev mode='capabilities'><source><char>/etc/passwd</char></source></hostdev></devices>"),
      /^F:1:\d+ <char>: not as it must be written; found: "\/etc\/passwd"/,
    ],
    [
      'memory without a size',
      lxc("<devices><filesystem type='ram'><source/><target dir='/tmp'/></filesystem></devices>"),
      /the size of a file system in memory is missing/,
    ],
    ['ids without a target', lxc("<idmap><uid start='0' count='1000'/></idmap>"), /^F:1:\d+: target is missing/],
    [
      'a wrong prefix',
      lxc("<devices><interface type='bridge'><source bridge='b'/><ip address='10.0.0.1' prefix='33'/></interface></devices>"),
      /^F:1:\d+ <ip>: not the length of a prefix; found: "33"; allowed: 1 to 32$/,
    ],
    ['a variable without a name', lxc('').replace('</init>', '</init><initenv>x</initenv>'), /the name of a variable is missing/],
    [
      'a variable that no environment has',
      lxc('').replace('</init>', "</init><initenv name='A B'>x</initenv>"),
      /^F:1:\d+ <initenv name='A B'>: not a name/,
    ],
    ['an empty name', lxc('').replace('>n<', '><'), /^F:1:20 <name>: empty text/],
    ['too deep', lxc('<a>'.repeat(40) + '</a>'.repeat(40)), /^F:1:\d+: nested too deeply; allowed: 32 levels/],
    ['too many', lxc('<a/>'.repeat(10_000)), /^F:1:\d+: too many elements/],
    ['bytes', lxc('\0'), /^F:1:\d+: the description is not text; found: the character U\+0000/],
  ];
  for (const [what, text, message] of BROKEN)
    it(`an error with its place: ${what}`, async () => {
      const [first = 'no error'] = await errorsOf(text, 'libvirt');
      expect(first).to.match(message);
    });

  it('mutations are read, or errors with a place', async () => {
    await neverCrashes(
      'libvirt',
      FILES.map(({text}) => text),
      400,
    );
  });
});
