/** Settings and command lines of systemd-nspawn: what they become, by systemd.nspawn(5) and systemd-nspawn(1). */
import {expect} from 'chai';
import {NSPAWN_FORMAT} from '../../../src/import/nspawn.js';
import {errorsOf, placesOf, read, reasons, summary, type Summary} from './summaries.js';
import {checkPrinted, fixtures, importText, neverCrashes} from './reading.js';

const at = (machine: string, more: Record<string, unknown> = {}): Summary['fields'] => ({
  name: machine,
  image: `/var/lib/machines/${machine}`,
  ...more,
});
const image = (machine: string): [string, unknown] => ['images', [`/var/lib/machines/${machine}`]];

const GOOD: Record<string, Partial<Summary>> = {
  'debian.nspawn': {fields: at('debian', {pattern: 'vm-lite'}), proposals: [image('debian')]},
  'web.nspawn': {
    fields: at('web', {pattern: 'vm-lite'}),
    proposals: [['identity.hostname', 'web.example.org'], image('web')],
  },
  'build.nspawn': {
    fields: at('build', {
      command: ['/usr/bin/make', '-C', '/usr/src/my package', 'CC=gcc -std=c99', '-j4'],
      workDirectory: '/usr/src',
      network: 'none',
    }),
    limits: {scratch: 10 * 2 ** 30},
    environment: {LANG: 'C.UTF-8', CFLAGS: '-O2 -g', LDFLAGS: ''},
    proposals: [
      ['identity.user', 'build'],
      ['writable', ['/srv/build']],
      ['writable', ['/srv/cache']],
      ['scratch.inMemory', true],
      image('build'),
    ],
  },
  'gpu.nspawn': {
    fields: at('gpu', {command: ['/opt/train/run.sh', '--epochs', '10'], firstProcess: true}),
    proposals: [
      ['devices', ['/dev/nvidia0']],
      ['devices', ['/dev/nvidiactl']],
      ['devices', ['/dev/nvidia-uvm']],
      ['run', ['/run/munge']],
      image('gpu'),
    ],
  },
  // soft limits are left: Tare sets one value; five CPUs are named
  'worker.nspawn': {
    fields: at('worker', {
      command: ['/usr/bin/python3', '/opt/pilot/pilot.py', '--queue', 'EXAMPLE'],
      firstProcess: true,
      network: 'host',
      cvmfs: ['atlas.cern.ch', 'sft.cern.ch'],
    }),
    limits: {openFiles: 65_536, coreSize: 0, processes: 4096, cores: 5, pinCores: true},
    proposals: [['writable', ['/data/scratch']], image('worker')],
  },
  'ephemeral.nspawn': {
    fields: at('ephemeral', {
      command: ['/bin/sh', '-c', 'echo hello > /var/log/hello; sleep 60'],
      firstProcess: true,
      filesystem: 'shared',
      network: 'none',
    }),
    proposals: [image('ephemeral')],
  },
  'mkosi.nspawn': {fields: at('mkosi', {pattern: 'vm-lite'}), proposals: [['seccomp', 'pilot'], image('mkosi')]},
  'oci.nspawn': {
    fields: at('oci', {command: ['/docker-entrypoint.sh', 'nginx', '-g', 'daemon off;'], firstProcess: true, workDirectory: '/'}),
    environment: {
      NGINX_VERSION: '1.25.3',
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'PKG.RELEASE': '1',
    },
    proposals: [['identity.machineIds', {start: 524_288, count: 65_536}], image('oci')],
  },
  'limited-machine.sh': {
    fields: {name: 'services', image: '/srv/machines/services', pattern: 'vm-lite'},
    limits: {memory: 4 * 2 ** 30, memoryHigh: 3584 * 2 ** 20, swap: 0, cores: 1.5, processes: 2048, wallTime: 172_800},
    proposals: [['images', ['/srv/machines/services']]],
  },
  'chroot-command.sh': {
    fields: {
      image: '/var/lib/machines/el9',
      filesystem: 'shared',
      workDirectory: '/work',
      network: 'none',
      command: ['./analyse', '--input', 'data file.root'],
      firstProcess: true,
    },
    limits: {openFiles: 4096},
    environment: {OMP_NUM_THREADS: '4'},
    proposals: [image('el9'), ['identity.user', 'analysis'], ['writable', ['/data/work']]],
  },
};

const textOf = (name: string): string => fixtures('nspawn').find((one) => one.name === name)?.text ?? '';

describe('settings of systemd-nspawn', () => {
  it('there are ten files', () =>
    expect(
      fixtures('nspawn')
        .map(({name}) => name)
        .sort(),
    ).to.deep.equal(Object.keys(GOOD).sort()));

  for (const [name, expected] of Object.entries(GOOD))
    it(`${name}: values, and a reason for all else`, async () => {
      const text = textOf(name);
      const file = `etc/${name}`;
      expect((await importText(text, null, file)).format).to.equal('nspawn');
      expect((await importText(text, null, 'x')).format).to.equal('nspawn');
      const draft = await read(NSPAWN_FORMAT, text, file);
      expect(summary(draft)).to.deep.equal({fields: {}, limits: {}, environment: {}, proposals: [], ...expected});
      await checkPrinted(await importText(text, 'nspawn'));
      const places = placesOf(draft);
      if (name.endsWith('.sh')) return;
      const lines = text.split('\n');
      for (const [index, line] of lines.entries())
        if (/^[A-Z]\w*=/.test(line) && !/^(Bind=\/cvmfs|Image=)/.test(line)) expect(places, line).to.include(`${file}:${index + 1}:1`);
    });

  it('every option of a command is accounted for', async () => {
    const text = textOf('chroot-command.sh');
    const places = placesOf(await read(NSPAWN_FORMAT, text, 'x'));
    for (const option of text.matchAll(/(?<= )(--?[a-zA-Z][\w-]*)/g)) {
      const before = text.slice(0, option.index).split('\n');
      if (option[1] !== '--input') expect(places, option[1]).to.include(`x:${before.length}:${(before.at(-1) ?? '').length + 1}`);
    }
  });

  it('a machine that boots has no command, and says why', async () => {
    const draft = await read(NSPAWN_FORMAT, '[Exec]\nBoot=yes\nParameters=systemd.unit=rescue.target\n', 'x.nspawn');
    expect(summary(draft).fields).to.deep.equal({pattern: 'vm-lite', name: 'x', image: '/var/lib/machines/x'});
    expect(reasons(draft)['Boot=yes']?.[0]).to.include('nothing says which: write `init`');
    expect(reasons(draft)['Parameters=systemd.unit=rescue.target']).to.deep.equal([
      'these are arguments of init, which Tare starts without any',
    ]);
  });

  const rows: [text: string, wanted: Partial<Summary>][] = [
    ['[Exec]\nParameters=a "b c" d\\\\e \'f"g\'', {fields: {command: ['a', 'b c', 'd\\\\e', 'f"g'], firstProcess: true}}],
    ['[Exec]\nParameters=a b\nParameters=\nParameters=c', {fields: {command: ['c'], firstProcess: true}}],
    ['[Exec]\nParameters=a \\\n  b', {fields: {command: ['a', 'b'], firstProcess: true}}],
    ['[Exec]\r\nParameters=a\r\n', {fields: {command: ['a'], firstProcess: true}}],
    ['[Exec]\nEnvironment=A=1 "B=x y"\nEnvironment=\nEnvironment=C==', {environment: {C: '='}}],
    ['[Exec]\nUser=root', {proposals: [['identity.allowRoot', true]]}],
    ['[Exec]\nLimitNOFILE=infinity\nLimitCORE=1K:2M', {limits: {coreSize: 2 ** 21}}],
    ['[Exec]\nLimitNOFILE=4096\nLimitNOFILE=8192', {limits: {openFiles: 8192}}],
    ['[Exec]\nCPUAffinity=0 2\nCPUAffinity=1-3', {limits: {cores: 4, pinCores: true}}],
    ['[Exec]\nUser=\nHostname=\n[Files]\nBind=', {}],
    ['[Network]\nPrivate=yes\nVirtualEthernet=yes', {proposals: [['identity.address', ['user']]]}],
    ['[Network]\nVirtualEthernet=no\nPrivate=no', {fields: {network: 'host'}}],
    [
      '[Files]\nBind=/data:/data:rbind\nBind=/x\\:y',
      {
        proposals: [
          ['writable', ['/data']],
          ['writable', ['/x:y']],
        ],
      },
    ],
    ['[Files]\nBind=:/cache\nBind=+/a:/b\nBindReadOnly=/usr/share/zoneinfo', {}],
  ];
  for (const [text, wanted] of rows)
    it(`${JSON.stringify(text)}: ${JSON.stringify(wanted)}`, async () =>
      expect(summary(await read(NSPAWN_FORMAT, text, 'x'))).to.deep.equal({
        fields: {},
        limits: {},
        environment: {},
        proposals: [],
        ...wanted,
      }));

  const BROKEN: [text: string, place: string, says: string][] = [
    ['Boot=yes', '1:1', 'a setting before the first section'],
    ['[Exec\nBoot=yes', '1:1', 'a header of a section that does not end'],
    ['[Exec]\nBoot', '2:1', 'a line that is no setting'],
    ['[Exec]\n =yes', '2:2', 'a line that is no setting'],
    ['[Exec]\nBoot = perhaps', '2:8', 'Boot is no truth value'],
    ['[Exec]\nBoot=yes\nProcessTwo=yes', '3:12', 'a container boots, or has its program as process 2'],
    ['[Exec]\nParameters=a "b c', '2:12', 'a quote that does not end'],
    ['[Exec]\nEnvironment=LANG', '2:13', 'no variable with a value'],
    ['[Exec]\nEnvironment=1A=x', '2:13', 'no name of a variable'],
    ['[Exec]\nWorkingDirectory=work', '2:18', 'the path is not absolute'],
    ['[Exec]\nLimitNOFILE=many', '2:13', 'not a whole number'],
    ['[Exec]\nLimitNOFILE=10:5', '2:13', 'the soft limit is above the hard one'],
    ['[Exec]\nLimitNOFILE=1:2:3', '2:13', 'not a resource limit'],
    ['[Exec]\nLimitCORE=1X', '2:11', 'not a size'],
    ['[Exec]\nLimitCPU=2 fortnights', '2:10', 'not a time span'],
    ['[Exec]\nLimitNICE=+30', '2:11', 'not a limit on nice values'],
    ['[Exec]\nCPUAffinity=all', '2:13', 'not a set of CPUs'],
    ['[Exec]\nPrivateUsers=some', '2:14', 'PrivateUsers is no truth value'],
    ['[Exec]\nMachineID=12345', '2:11', 'no id of a machine'],
    ['[Exec]\nKillSignal=sig term', '2:12', 'no signal'],
    ['[Exec]\nOOMScoreAdjust=5000', '2:16', 'no score'],
    ['[Files]\nVolatile=sometimes', '2:10', 'Volatile is no truth value'],
    ['[Files]\nBind=data', '2:6', 'the path is not absolute'],
    ['[Files]\nBind=/data::ro', '2:6', 'the path is not absolute'],
    ['[Files]\nTemporaryFileSystem=tmp', '2:21', 'the path is not absolute'],
    ['[Network]\nPrivate=2', '2:9', 'Private is no truth value'],
    ['[Exec]\nParameters=a\x00b', '2:13', 'the file is not text'],
    ['systemd-nspawn --directory', '1:16', '--directory needs a value'],
    ['systemd-nspawn --memory=4G /bin/sh', '1:16', 'an unknown option'],
    ['systemd-nspawn -M ../x', '1:19', 'no name of a machine'],
    ['systemd-nspawn -D $ROOT', '1:19', 'a variable'],
    ['systemd-nspawn -D /x --property=MemoryMax=lots', '1:22', 'not a size'],
    ['systemd-nspawn -D /x --property CPUQuota=50', '1:33', 'not a share of a CPU'],
    ['systemd-nspawn -D /x --property TasksMax=-1', '1:33', 'not a whole number'],
    ['systemd-nspawn -D /x --rlimit=RLIMIT_CORE=-1', '1:22', 'not a size'],
  ];
  for (const [text, place, says] of BROKEN)
    it(`${JSON.stringify(text)} is refused at its place`, async () => {
      const errors = await errorsOf(NSPAWN_FORMAT, text, 'x.nspawn');
      expect(errors.map(({message}) => message)).to.have.length(1);
      expect(errors[0]?.details.where).to.equal(`x.nspawn:${place}`);
      expect(errors[0]?.message).to.include(says);
    });

  it('unknown settings are left with what they may have been', async () => {
    const draft = await read(NSPAWN_FORMAT, '[Exec]\nBoots=yes\n[Other]\nA=1\n[X-Mine]\nB=2\n', 'x');
    expect(reasons(draft)['Boots=yes']).to.deep.equal(['systemd-nspawn knows no Exec.Boots: did they mean Exec.Boot?']);
    expect(reasons(draft)['A=1']).to.deep.equal(['systemd-nspawn knows no Other.A']);
    expect(reasons(draft)).to.not.have.property('B=2');
  });

  it('damaged files give a draft or errors with places', async function () {
    this.timeout(60_000);
    await neverCrashes(
      'nspawn',
      fixtures('nspawn').map(({text}) => text),
      1000,
    );
  });
});
