/** Containers of OpenVZ: what their files become, by ctid.conf(5), vzctl(8) and vzubc(8). */
import {expect} from 'chai';
import {OPENVZ_FORMAT} from '../../../src/import/openvz.js';
import {errorsOf, placesOf, read, reasons, summary, type Summary} from './summaries.js';
import {checkPrinted, fixtures, importText, neverCrashes} from './reading.js';

const MACHINE = {pattern: 'vm-lite'};
const inImage = (image: string, more: Record<string, unknown> = {}): Summary['fields'] => ({...MACHINE, image, ...more});

/** 2.2 GiB are 2306867.2 KiB, of which vzctl takes the whole ones. */
const SCRATCH = 2_306_867 * 1024;

const GOOD: Record<string, Partial<Summary>> = {
  // limits of 69632 pages, and of 240 processes
  've-basic.conf-sample': {fields: MACHINE, limits: {processes: 240, memory: 69_632 * 4096, scratch: SCRATCH}},
  // 1.1 GiB are 1153433.6 KiB
  've-light.conf-sample': {fields: MACHINE, limits: {processes: 40, memory: 8448 * 4096, scratch: 1_153_433 * 1024}},
  've-vswap-256m.conf-sample': {fields: MACHINE, limits: {memory: 2 ** 28, swap: 2 ** 29, scratch: SCRATCH}},
  've-vswap-1g.conf-sample': {fields: MACHINE, limits: {memory: 2 ** 30, swap: 2 ** 31, scratch: SCRATCH}},
  // 262144 pages are 1 GiB
  '101.conf': {
    fields: inImage('/vz/private/101', {name: 'worker1'}),
    limits: {memory: 2 ** 30, swap: 2 ** 31, scratch: SCRATCH},
    proposals: [
      ['identity.hostname', 'worker1.example.org'],
      ['images', ['/vz/private/101']],
    ],
  },
  // a disk image is no directory tree; CPULIMIT 0 limits nothing
  '102.conf': {fields: MACHINE, limits: {memory: 2 ** 29, swap: 2 ** 30, cores: 2, scratch: 10 * 2 ** 30}},
  // the largest number of pages is no limit, so this is without VSwap
  '777.conf': {
    fields: inImage('/vz/private/777'),
    limits: {processes: 240, memory: 139_264 * 4096, cores: 0.25, scratch: 5_767_168 * 1024},
    proposals: [
      ['identity.hostname', 'ce.example.org'],
      ['devices', ['/dev/fuse']],
      ['devices', ['/dev/net/tun']],
      ['images', ['/vz/private/777']],
    ],
  },
  '120.conf': {
    fields: inImage('/var/lib/vz/private/120'),
    limits: {memory: 2 ** 31, swap: 2 ** 29, cores: 2, scratch: 9_011_200 * 1024},
    proposals: [
      ['identity.hostname', 'www.example.org'],
      ['images', ['/var/lib/vz/private/120']],
    ],
  },
  // 150 % of one CPU are less than 4; without a quota DISKSPACE limits nothing
  '205.conf': {
    fields: inImage('/vz/private/205', {name: 'batch205'}),
    limits: {processes: 500, memory: 2 ** 31, swap: 2 ** 29, cores: 1.5, pinCores: true},
    proposals: [['images', ['/vz/private/205']]],
  },
  '310.conf': {
    fields: inImage('/srv/vz/private/310'),
    limits: {processes: 800, memory: 2 ** 32, swap: 0, cores: 4, scratch: 46_137_344 * 1024},
    proposals: [
      ['identity.hostname', 'squid.example.org'],
      [
        'identity.pools',
        [
          {
            name: 'openvz',
            kind: 'bridge',
            bridge: 'br0',
            ranges: ['198.51.100.10-198.51.100.10/24', '2001:db8:100::10-2001:db8:100::10/64'],
            nameservers: ['198.51.100.1', '2001:db8:100::1'],
          },
        ],
      ],
      ['identity.address', ['bridge']],
      ['images', ['/srv/vz/private/310']],
    ],
  },
};

const textOf = (name: string): string => fixtures('openvz').find((one) => one.name === name)?.text ?? '';

describe('containers of OpenVZ', () => {
  it('there are ten files', () =>
    expect(
      fixtures('openvz')
        .map(({name}) => name)
        .sort(),
    ).to.deep.equal(Object.keys(GOOD).sort()));

  for (const [name, expected] of Object.entries(GOOD))
    it(`${name}: values, and a reason for all else`, async () => {
      const text = textOf(name);
      const file = `etc/${name}`;
      expect((await importText(text, null, file)).format).to.equal('openvz');
      const draft = await read(OPENVZ_FORMAT, text, file);
      expect(summary(draft)).to.deep.equal({fields: {}, limits: {}, environment: {}, proposals: [], ...expected});
      await checkPrinted(await importText(text, 'openvz'));
      const places = placesOf(draft);
      for (const [index, line] of text.split('\n').entries())
        if (/^[A-Z]/.test(line)) expect(places, line).to.include(`${file}:${index + 1}:1`);
      expect(reasons(draft)['/sbin/init']?.[0]).to.include('write `init`');
    });

  it('origins are places and settings', async () => {
    const draft = await read(OPENVZ_FORMAT, 'ONBOOT="no"\n  PHYSPAGES="0:1G"\nSWAPPAGES=0:512M\n', 'x');
    expect(draft.limits.get('memory')?.origin).to.deep.equal({at: 'x:2:3', as: 'PHYSPAGES="0:1G"'});
    expect(draft.limits.get('swap')?.origin).to.deep.equal({at: 'x:3:1', as: 'SWAPPAGES="0:512M"'});
  });

  it('NUMFILE is of the whole container, and no limit of a process', async () => {
    const draft = await read(OPENVZ_FORMAT, 'NUMFILE="9312:9312"', 'x');
    expect(draft.limits.size).to.equal(0);
    expect(reasons(draft)['NUMFILE="9312:9312"']).to.deep.equal([
      'it counts the open files of the whole container; openFiles is a limit on each process',
    ]);
  });

  const rows: [text: string, limits: Record<string, unknown>][] = [
    ['CPULIMIT="250"', {cores: 2.5}],
    ['CPULIMIT="250"\nCPUS="2"', {cores: 2}],
    ['CPULIMIT="50%"\nCPUS="8"', {cores: 8}],
    ['CPUMASK="0-1,3"', {cores: 3, pinCores: true}],
    ['CPUMASK="0-1,3"\nCPUS="2"', {cores: 2, pinCores: true}],
    ['CPUMASK="all"', {}],
    ['PHYSPAGES="2G"', {memory: 2 ** 31}],
    ['PHYSPAGES="0:1000P"', {memory: 4_096_000}],
    ['PHYSPAGES="0:5000b"', {memory: 4096}],
    ['PHYSPAGES="0:2147483647"', {}],
    ['PHYSPAGES="0:1g"\nPHYSPAGES="0:2g"', {memory: 2 ** 31}],
    ['SWAPPAGES="0:1g"', {}],
    ['PHYSPAGES="0:1g"\nPRIVVMPAGES="5G"', {memory: 2 ** 30}],
    ['NUMPROC="unlimited"', {}],
    ['NUMPROC="100"', {processes: 100}],
    ['DISKSPACE="1048576"', {scratch: 2 ** 30}],
    ['DISKSPACE="1G:2G"\nVE_LAYOUT="ploop"', {scratch: 2 ** 30}],
    ['DISKSPACE="1T"', {scratch: 2 ** 40}],
    ['DISKSPACE="unlimited"', {}],
  ];
  for (const [text, limits] of rows)
    it(`${text.replaceAll('\n', ' ')}: ${JSON.stringify(limits)}`, async () => {
      const draft = await read(OPENVZ_FORMAT, text, 'x.conf');
      expect(summary(draft).limits).to.deep.equal(limits);
      expect(placesOf(draft)).to.include.all.keys(text.split('\n').map((_, index) => `x.conf:${index + 1}:1`));
    });

  const pools: [text: string, pool: unknown][] = [
    ['IP_ADDRESS="10.1.2.3"', null],
    ['IP_ADDRESS="10.1.2.3/32"', null],
    ['IP_ADDRESS="10.1.2.0/24"', null],
    ['IP_ADDRESS="10.1.2.255/24"', null],
    ['IP_ADDRESS="10.1.2.1/24"', null],
    ['IP_ADDRESS=""', null],
    ['IP_ADDRESS="0.0.0.0"', null],
    ['IP_ADDRESS="10.1.2.3/24"', {bridge: 'tare-openvz', make: true, ranges: ['10.1.2.3-10.1.2.3/24']}],
    ['IP_ADDRESS="10.1.2.1/24"\nNETIF="ifname=eth0,bridge=br0"', {bridge: 'br0', ranges: ['10.1.2.1-10.1.2.1/24']}],
    ['IP_ADDRESS="2001:db8::5/64"\nNAMESERVER="inherit"', {bridge: 'tare-openvz', make: true, ranges: ['2001:db8::5-2001:db8::5/64']}],
  ];
  for (const [text, pool] of pools)
    it(`${text.replaceAll('\n', ' ')}: ${pool === null ? 'no pool' : JSON.stringify(pool)}`, async () => {
      const draft = await read(OPENVZ_FORMAT, text, 'x');
      await checkPrinted(await importText(text, 'openvz'));
      const found = summary(draft).proposals.filter(([key]) => key === 'identity.pools');
      expect(found).to.deep.equal(pool === null ? [] : [['identity.pools', [{name: 'openvz', kind: 'bridge', ...(pool as object)}]]]);
    });

  const BROKEN: [text: string, place: string, says: string][] = [
    ['NUMPROC', '1:1', 'a line without ='],
    ['# x\n  NUMPROC "240:240"', '2:3', 'a line without ='],
    ['NUMPROC ="240"', '1:1', 'no name of a parameter'],
    ['="240"', '1:1', 'no name of a parameter'],
    ['NUMPROC="240', '1:9', 'a value whose quote does not end'],
    ['NAME="a" b', '1:6', 'text behind a value'],
    ['NUMPROC="many"', '1:9', 'not an amount'],
    ['NUMPROC="240M"', '1:9', 'not an amount'],
    ['NUMPROC="-1"', '1:9', 'not an amount'],
    ['NUMPROC="0"', '1:9', 'not a limit on processes'],
    ['NUMPROC="300:200"', '1:9', 'the first value is larger than the second'],
    ['KMEMSIZE="1:2:3"', '1:10', 'not a pair of amounts'],
    ['KMEMSIZE="12X"', '1:10', 'not an amount'],
    ['ONBOOT="no"\nPHYSPAGES="0:1Q"', '2:11', 'not an amount'],
    ['PHYSPAGES="0:0"', '1:11', 'not a limit on memory'],
    ['PHYSPAGES="0:4503599627370496"', '1:11', 'not an amount'],
    ['PRIVVMPAGES="unlimited:5"', '1:13', 'the first value is larger than the second'],
    ['DISKSPACE="2G:1G"', '1:11', 'the first value is larger than the second'],
    ['DISKSPACE="0"', '1:11', 'not a size of a disk'],
    ['DISKINODES="a:b"', '1:12', 'not an amount'],
    ['CPULIMIT="half"', '1:10', 'not a percentage of a CPU'],
    ['CPULIMIT="200%"', '1:10', 'not a percentage of a CPU'],
    ['CPUS="1.5"', '1:6', 'not a number of CPUs'],
    ['CPUS="100000"', '1:6', 'not a number of cores'],
    ['CPUMASK="3-0"', '1:9', 'not a set of CPUs'],
    ['IP_ADDRESS="10.0.0.256"', '1:12', 'no address'],
    ['IP_ADDRESS="2001:db8"', '1:12', 'no address'],
    ['IP_ADDRESS="10.0.0.1/255.0.255.0"', '1:12', 'no address'],
    ['NAMESERVER="dns.example.org"', '1:12', 'no address of a name server'],
    ['NETIF="bridge=br0"', '1:7', 'no network device of a container'],
    ['DEVNODES="fuse"', '1:10', 'no access to a device'],
    ['NUMPROC="24\x000"', '1:12', 'the file is not text'],
  ];
  for (const [text, place, says] of BROKEN)
    it(`${JSON.stringify(text)} is refused at its place`, async () => {
      const errors = await errorsOf(OPENVZ_FORMAT, text, '101.conf');
      expect(errors.map(({message}) => message)).to.have.length(1);
      expect(errors[0]?.details.where).to.equal(`101.conf:${place}`);
      expect(errors[0]?.message).to.include(says);
    });

  it('several mistakes are told together, and a file without end is refused', async () => {
    const errors = await errorsOf(OPENVZ_FORMAT, 'NUMPROC="x"\nNUMFILE="y"\nCPUS="z"\n', '101.conf');
    expect(errors.map(({details}) => details.where)).to.deep.equal(['101.conf:1:9', '101.conf:2:9', '101.conf:3:6']);
    const [long] = await errorsOf(OPENVZ_FORMAT, `#${'x'.repeat(2 ** 20)}`, '101.conf');
    expect(long?.code).to.equal('DOCUMENT_UNREADABLE');
  });

  it('an unknown parameter is left with what it may have been', async () => {
    const draft = await read(OPENVZ_FORMAT, 'NUMPROCS="5"\n__proto__="x"\nconstructor="y"', 'x');
    expect(reasons(draft)['NUMPROCS="5"']).to.deep.equal(['vzctl knows no such parameter: did they mean NUMPROC?']);
    expect(reasons(draft)['__proto__="x"']).to.deep.equal(['vzctl knows no such parameter']);
  });

  it('damaged files give a draft or errors with places', async function () {
    this.timeout(60_000);
    await neverCrashes(
      'openvz',
      fixtures('openvz').map(({text}) => text),
      1000,
    );
  });
});
