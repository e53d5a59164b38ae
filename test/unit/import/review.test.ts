/** Settings that are given twice, or that another one contradicts, and values that are nobody else's to see. */
import {expect} from 'chai';
import type {Draft} from '../../../src/import/draft.js';
import {formatOf, importText, messageOf} from './reading.js';

const draftOf = async (format: string, text: string, files: Record<string, string> = {}): Promise<Draft> =>
  formatOf(format).read({text, file: 'F', part: null, read: (path) => files[path] ?? null});
const leftIn = ({left}: Draft): string[] => left.map(({origin, because}) => `${origin.as}: ${because}`);
const valueOf = (values: ReadonlyMap<string, {value: unknown}>, name: string): unknown => values.get(name)?.value;
const container = (inside: string): string =>
  `<domain type='lxc'><name>n</name><os><type>exe</type><init>/bin/sh</init></os>${inside}</domain>`;
const bundle = (inside: string): string => `{"ociVersion": "1.2.0", "process": {"args": ["a"], "cwd": "/"${inside}}`;

describe('settings of other tools', () => {
  it('a file that has no variables is not shown', async () => {
    const shadow = 'root:*:19000:0:::\nopensesame\nROOT-X:1=2\n';
    const draft = await draftOf('apptainer', 'apptainer exec --env-file /etc/shadow /i true', {'/etc/shadow': shadow});
    expect(leftIn(draft).join('\n'))
      .to.include('a variable')
      .and.not.match(/root|opensesame|ROOT-X/i);
    const files = {'/x': `A=\${opensesame\n`};
    const message = await messageOf(importText('services: {a: {image: i, env_file: /x}}', 'compose', 'F', files));
    expect(message).to.include('/x:1:1').and.not.include('opensesame');
  });

  it('of an image by its name the whole name is told, where it is sure which that is', async () => {
    const told = async (line: string): Promise<string> =>
      leftIn(await draftOf('docker-run', line)).find((left) => left.includes('fetches no')) ?? '';
    for (const [line, whole] of [
      ['docker run alpine x', 'docker://docker.io/library/alpine:latest'],
      ['docker run reg.example:5000/a/b:1 x', 'docker://reg.example:5000/a/b:1'],
      ['podman run quay.io/a/b x', 'docker://quay.io/a/b:latest'],
      ['podman run localhost/a:1 x', 'docker://localhost/a:1'],
      ['podman run docker://docker.io/library/a:1 x', 'docker://docker.io/library/a:1'],
    ] as const)
      expect(await told(line), line).to.include(`and root starts the job, set image: ${whole}; else write it to a file (`);
    for (const line of [
      'podman run alpine x',
      'podman run a/b x',
      'docker run 0123456789ab x',
      'docker run dir:/srv/x x',
      'docker run A/b x',
    ])
      expect(await told(line), line).to.match(/: Tare fetches no images: write it to a file \(/);
  });

  it('of a setting that is given twice the earlier one is left', async () => {
    const draft = await draftOf('docker-run', 'docker run --name a --name b -m 1g -m 2g -e A=1 -e A=2 --entrypoint x --entrypoint y image');
    expect(leftIn(draft)).to.include.members([
      '--name a: `--name b` replaces it',
      '-m 1g: `-m 2g` replaces it',
      '--env A: F:1:49 replaces it',
      '--entrypoint x: `--entrypoint y` replaces it',
    ]);
  });

  it('credentials are in no account of a setting', async () => {
    const drafts = [
      await draftOf(
        'docker-run',
        'AUTH=opensesame podman run --creds u:opensesame --decryption-key opensesame --log-opt splunk-token=opensesame image',
      ),
      await draftOf(
        'nspawn',
        'systemd-nspawn --set-credential=a:opensesame --property=SetCredential=a:opensesame --setenv=TOKEN=opensesame -D /x sh',
      ),
      await draftOf('nspawn', '[Exec]\nEnvironment=MY_TOKEN=opensesame\n'),
      await draftOf('libvirt', container("<devices><graphics type='vnc' passwd='opensesame'/></devices><features passwd='opensesame'/>")),
      await draftOf('lxc', 'lxc.environment = MY_TOKEN=opensesame\n'),
      await draftOf('openvz', 'VE_PRIVATE="/x"\nMY_PASSWORD="opensesame"\n'),
    ];
    for (const draft of drafts) {
      const origins = [...draft.left, ...draft.environment.values(), ...draft.proposals].map(({origin}) => origin.as);
      expect(origins.join('\n')).to.not.include('opensesame');
    }
  });

  it('the number of an account is no account of the node', async () => {
    for (const [format, text] of [
      ['docker-run', 'docker run -u 1000:1000 image'],
      ['compose', 'services: {a: {image: i, user: "1000"}}'],
      ['oci', bundle(', "user": {"uid": 1000}}')],
      ['nspawn', '[Exec]\nUser=1000\n'],
    ] as const) {
      const draft = await draftOf(format, text);
      expect(draft.proposals, format).to.deep.equal([]);
      expect(leftIn(draft).join('\n'), format).to.include('an account has to be named');
    }
  });

  it('the smaller of a quota and a set of CPUs is taken', async () => {
    for (const [cpus, cores] of [
      ['8', 2],
      ['1.5', 1.5],
    ] as const) {
      const {limits} = await draftOf('docker-run', `docker run --cpus ${cpus} --cpuset-cpus 0,1 image`);
      expect([valueOf(limits, 'cores'), valueOf(limits, 'pinCores')]).to.deep.equal([cores, true]);
    }
  });

  it('compose: half a command is none', async () => {
    for (const [known, unknown] of [
      ['command', 'entrypoint'],
      ['entrypoint', 'command'],
    ] as const) {
      const draft = await draftOf('compose', `services: {a: {image: i, ${known}: [x, y], ${unknown}: ["\${NOWHERE}"]}}`);
      expect(draft.fields.has('command')).to.equal(false);
      expect(leftIn(draft).join('\n')).to.include('half a command is none');
    }
  });

  it('libvirt: a hard_limit that is none, texts with blanks, and a name of two lines', async () => {
    const memory = "<memory unit='MiB'>1</memory><memtune><hard_limit>9007199254740991</hard_limit>";
    const {limits} = await draftOf('libvirt', container(`${memory}<swap_hard_limit unit='MiB'>3</swap_hard_limit></memtune>`));
    expect([valueOf(limits, 'memory'), valueOf(limits, 'swap')]).to.deep.equal(['1MiB', '2048KiB']);
    const os = "<init>/bin/sh</init><initarg> a\n</initarg><initenv name='A'> b </initenv>";
    const {fields, environment} = await draftOf('libvirt', container('').replace('<init>/bin/sh</init>', os));
    expect([valueOf(fields, 'command'), valueOf(environment, 'A')]).to.deep.equal([['/bin/sh', ' a\n'], ' b ']);
    expect(await messageOf(importText(container('').replace('>n<', '>n\nm<'), 'libvirt'))).to.include('a line end in the name');
  });

  it('a text that only looks like a configuration is soon known', () => {
    const text = `${'#\r\n'.repeat(10_000)}x`;
    const begun = performance.now();
    for (const name of ['lxc', 'nspawn', 'apptainer', 'docker-run', 'compose', 'openvz', 'oci', 'libvirt'])
      formatOf(name).recognises(text, 'F');
    expect(performance.now() - begun).to.be.below(2000);
  });

  it('sudo may stand before a command', async () => {
    for (const [format, text] of [
      ['docker-run', 'sudo -E docker run image x'],
      ['nspawn', 'sudo systemd-nspawn -D /x x'],
      ['nspawn', 'sudo -E /usr/bin/systemd-nspawn -D /x x'],
      ['apptainer', 'sudo -E apptainer exec /i x'],
    ] as const) {
      expect(formatOf(format).recognises(text, 'F'), text).to.equal(true);
      expect(valueOf((await draftOf(format, text)).fields, 'command'), text).to.deep.equal(['x']);
    }
  });

  it('OCI: files of memory have the kernel’s sizes', async () => {
    const unified = '"resources": {"unified": {"memory.max": "1G", "memory.swap.max": "512M"}}';
    const {limits} = await draftOf('oci', bundle(`}, "linux": {${unified}}`));
    expect([valueOf(limits, 'memory'), valueOf(limits, 'swap')]).to.deep.equal([2 ** 30, 2 ** 29]);
  });

  it('nspawn: times with months and years, and a network that nobody names', async () => {
    for (const [text, seconds] of [
      ['1month', 2_629_800],
      ['2M', 5_259_600],
      ['1y 1s', 31_557_601],
    ] as const) {
      const draft = await draftOf('nspawn', `systemd-nspawn "--property=RuntimeMaxSec=${text}" -D /x x`);
      expect(valueOf(draft.limits, 'wallTime'), text).to.equal(seconds);
      expect(leftIn(draft).join('\n')).to.include('no network is named');
    }
  });

  it('LXC: a gateway that the node’s device would say', async () => {
    const draft = await draftOf('lxc', 'lxc.net.0.type = veth\nlxc.net.0.link = br0\nlxc.net.0.ipv4.gateway = auto\n');
    expect(leftIn(draft).join('\n')).to.include('auto: a pool of the policy names its gateway');
  });
});
