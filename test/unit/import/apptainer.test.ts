/** Command lines of apptainer and singularity: what they become, by apptainer's user guide and its source. */
import {expect} from 'chai';
import {APPTAINER_FORMAT} from '../../../src/import/apptainer.js';
import {ACTION_OPTIONS, LEFT_FLAGS, LEFT_VALUES, optionOf} from '../../../src/import/apptainer-options.js';
import {errorsOf, placesOf, read, reasons, summary, type Summary} from './summaries.js';
import {checkPrinted, fixtures, importText, neverCrashes} from './reading.js';

const RUNSCRIPT = '/.singularity.d/runscript';

const GOOD: Record<string, Partial<Summary>> = {
  // /srv is the pilot's directory, in which the payload starts
  'atlas-pilot.sh': {
    fields: {
      image: '/cvmfs/atlas.cern.ch/repo/containers/fs/singularity/x86_64-almalinux9',
      workDirectory: '/scratch/condor/dir_4711/PanDA_Pilot-123',
      command: ['/bin/bash', '/srv/my_release_setup.sh'],
    },
    proposals: [
      ['writable', ['/scratch/condor/dir_4711/PanDA_Pilot-123']],
      ['images', ['/cvmfs/atlas.cern.ch/repo/containers/fs/singularity/x86_64-almalinux9']],
    ],
  },
  'cms-glidein.sh': {
    fields: {
      image: '/cvmfs/singularity.opensciencegrid.org/cmssw/cms:rhel8',
      workDirectory: '/scratch/execute/dir_815',
      command: ['/srv/condor_job_wrapper.sh', '--wrapper', 'job 1'],
    },
    environment: {GLIDEIN_CMSSite: 'T2_XX_Example', OSG_SITE_NAME: 'EXAMPLE', HOME: '/scratch/execute/dir_815'},
    proposals: [
      ['writable', ['/scratch/execute/dir_815']],
      ['images', ['/cvmfs/singularity.opensciencegrid.org/cmssw/cms:rhel8']],
    ],
  },
  'lhcb-dirac.sh': {
    fields: {
      image: '/cvmfs/unpacked.cern.ch/registry.hub.docker.com/library/almalinux:9',
      command: ['/mnt/dirac_container.sh'],
    },
    environment: {X509_USER_PROXY: '/mnt/proxy', DIRACSYSCONFIG: '/mnt/pilot.cfg'},
    proposals: [
      ['writable', ['/scratch/workdir']],
      ['images', ['/cvmfs/unpacked.cern.ch/registry.hub.docker.com/library/almalinux:9']],
    ],
  },
  'docker-reference.sh': {fields: {command: ['cat', '/etc/os-release']}},
  'training-nv.sh': {
    fields: {workDirectory: '/data/models', command: [RUNSCRIPT, 'train.py', '--lr=0.1']},
    proposals: [
      ['writable', ['/data/models']],
      ['devices', ['/dev/nvidia*']],
    ],
  },
  'shell.sh': {fields: {image: '/images/el9', command: ['/bin/zsh']}, proposals: [['images', ['/images/el9']]]},
  // the option replaces the variable; binds add up
  'environment.sh': {
    fields: {image: '/images/sim', command: ['./simulate']},
    limits: {memory: 2 ** 31},
    environment: {LC_ALL: 'C'},
    proposals: [
      ['writable', ['/data']],
      ['images', ['/images/sim']],
    ],
  },
  'limits.sh': {
    fields: {image: '/images/sim.squashfs', filesystem: 'shared', command: ['sim', '--events', '1000']},
    limits: {memory: 2 ** 31, swap: 2 ** 30, cores: 1.5, pinCores: true, processes: 200},
    proposals: [['images', ['/images/sim.squashfs']]],
  },
  'hardened.sh': {
    fields: {image: '/images/analysis.tar', network: 'none', command: ['analyse', 'two words', '--flag=x']},
    proposals: [
      ['identity.hostname', 'analysis.example.org'],
      ['seccomp', '/etc/apptainer/seccomp.json'],
      ['images', ['/images/analysis.tar']],
    ],
  },
  'rocm-run.sh': {
    fields: {image: '/images/rocm', command: [RUNSCRIPT, '--steps', '5']},
    environment: {HOME: '/home/pilot'},
    proposals: [
      ['devices', ['/dev/fuse']],
      ['run', ['/run/munge']],
      ['devices', ['/dev/kfd', '/dev/dri/*']],
      ['writable', ['/home/pilot']],
      ['images', ['/images/rocm']],
    ],
  },
};

const textOf = (name: string): string => fixtures('apptainer').find((one) => one.name === name)?.text ?? '';

describe('command lines of apptainer', () => {
  it('there are ten files', () =>
    expect(
      fixtures('apptainer')
        .map(({name}) => name)
        .sort(),
    ).to.deep.equal(Object.keys(GOOD).sort()));

  for (const [name, expected] of Object.entries(GOOD))
    it(`${name}: values, and a reason for all else`, async () => {
      const text = textOf(name);
      expect((await importText(text, null, name)).format).to.equal('apptainer');
      const draft = await read(APPTAINER_FORMAT, text, name);
      const {proposals, ...others} = summary(draft);
      const {proposals: wanted = [], ...wantedOthers} = expected;
      expect(others).to.deep.equal({fields: {}, limits: {}, environment: {}, ...wantedOthers});
      expect(proposals).to.have.deep.members(wanted);
      await checkPrinted(await importText(text, 'apptainer'));
      // every option before the image, and every variable, is accounted for
      const places = placesOf(draft);
      const end = text.search(/ \\?\n? *"?(\/images|\/cvmfs\/(atlas|sing|unp)|docker:|oci-archive:)/);
      for (const word of text.slice(0, end).matchAll(/(?<=[ ]|^)(--?[a-zA-Z][\w-]*|(APPTAINER|SINGULARITY)\w+(?==))/gm)) {
        const before = text.slice(0, word.index).split('\n');
        expect(places, word[0]).to.include(`${name}:${before.length}:${(before.at(-1) ?? '').length + 1}`);
      }
    });

  it('an image that only apptainer can fetch or mount is left, and what to do about it', async () => {
    const because = async (image: string): Promise<string> =>
      reasons(await read(APPTAINER_FORMAT, `apptainer exec ${image} true`, 'x'))[image]?.join() ?? '';
    expect(await because('docker://almalinux:9')).to.include('/cvmfs/unpacked.cern.ch');
    for (const image of ['library://a/b', 'oras://a/b:1', 'shub://a/b', 'https://x/y.sif'])
      expect(await because(image)).to.include('apptainer build --sandbox DIRECTORY REFERENCE');
    expect(await because('/images/a.SIF')).to.include('apptainer build --sandbox DIRECTORY FILE');
    expect(await because('images/el9')).to.include('absolute path');
    expect(reasons(await read(APPTAINER_FORMAT, "apptainer exec '/images/*' true", 'x'))['/images/*']?.join()).to.include('absolute path');
  });

  it('a relative path is below the directory of the file', async () => {
    const text = 'apptainer exec -B data:/srv --home me --pwd /srv/run images/sim true';
    const draft = await APPTAINER_FORMAT.read({text, file: 'x', directory: '/home/alice', read: () => null, part: null});
    const {fields, environment} = summary(draft);
    expect(fields).to.deep.equal({image: '/home/alice/images/sim', workDirectory: '/home/alice/data/run', command: ['true']});
    expect(environment).to.deep.equal({HOME: '/home/alice/me'});
  });

  it('secrets are in no account of a setting', async () => {
    const text = 'APPTAINER_DOCKER_PASSWORD=geheim apptainer exec --docker-username somebody --docker-password=geheim /i true';
    const draft = await read(APPTAINER_FORMAT, text, 'x');
    expect(JSON.stringify(draft.left)).to.not.include('geheim').and.not.include('somebody');
    expect(draft.left.map(({origin}) => origin.as)).to.include.members(['APPTAINER_DOCKER_PASSWORD', '--docker-password']);
  });

  it('a file of variables is read where it is there', async () => {
    const files = {'env.txt': '# x\nA=1\nB=$HOME\nC=two words\n'};
    const draft = await read(APPTAINER_FORMAT, 'apptainer exec --env A=2 --env-file env.txt /i true', 'x', files);
    expect(summary(draft).environment).to.deep.equal({A: '2', C: 'two words'});
    expect(draft.left).to.deep.include({
      origin: {at: 'env.txt:3:1', as: 'B'},
      because: 'a shell evaluates its value: write the result as `environment`',
    });
    const without = await read(APPTAINER_FORMAT, 'apptainer exec --env-file env.txt /i true', 'x');
    expect(reasons(without)['--env-file env.txt']?.[0]).to.include('cannot be read here');
  });

  it('options are named by variables as apptainer names them, and every one of its options has a reason or a reader', () => {
    expect(optionOf('UNSHARE_PID')).to.equal('pid');
    expect(optionOf('WRITABLE_TMPFS')).to.equal('writable-tmpfs');
    expect(optionOf('CACHEDIR')).to.equal(null);
    expect(optionOf('constructor')).to.equal(null);
    expect(Object.keys(ACTION_OPTIONS.long)).to.include.members([...Object.keys(LEFT_FLAGS), ...Object.keys(LEFT_VALUES)]);
    for (const name of Object.values(ACTION_OPTIONS.short)) expect(ACTION_OPTIONS.long).to.have.property(name);
  });

  const rows: [line: string, wanted: Partial<Summary>][] = [
    ['apptainer exec -B /a:/a:ro,/b /i x', {proposals: [['writable', ['/b']]]}],
    ['apptainer exec -B /data:/srv --cwd /srv/run /i x', {fields: {workDirectory: '/data/run'}, proposals: [['writable', ['/data']]]}],
    ['apptainer exec -B/a --pwd=/a /i x', {fields: {workDirectory: '/a'}, proposals: [['writable', ['/a']]]}],
    ['apptainer exec --env A=1,B=2 --env C=x,y /i x', {environment: {A: '1', B: '2', C: 'x,y'}}],
    ['apptainer exec --env \'"A=1,2",B="3"\' /i x', {environment: {A: '1,2', B: '3'}}],
    ['apptainer exec --net /i x', {proposals: [['identity.address', ['user']]]}],
    ['apptainer exec --memory 1.5g --memory-swap -1 /i x', {limits: {memory: 1.5 * 2 ** 30}}],
    ['apptainer exec --pids-limit -1 --cpus 2 --cpus 3 /i x', {limits: {cores: 3}}],
    ['A=1 B="x y" singularity exec /i x', {environment: {A: '1', B: 'x y'}}],
    ['A=1 singularity exec --cleanenv /i x', {}],
    ['A=1 APPTAINER_CLEANENV=true apptainer exec /i x', {}],
    [
      'APPTAINER_BIND=/a apptainer exec -B /b /i x',
      {
        proposals: [
          ['writable', ['/a']],
          ['writable', ['/b']],
        ],
      },
    ],
  ];
  for (const [line, wanted] of rows)
    it(`${line}: ${JSON.stringify(wanted)}`, async () => {
      const {fields, limits, environment, proposals} = summary(await read(APPTAINER_FORMAT, line, 'x'));
      expect(fields).to.deep.equal({image: '/i', command: ['x'], ...wanted.fields});
      expect({limits, environment}).to.deep.equal({
        limits: {},
        environment: {},
        ...(wanted.limits && {limits: wanted.limits}),
        ...(wanted.environment && {environment: wanted.environment}),
      });
      expect(proposals).to.have.deep.members([['images', ['/i']], ...(wanted.proposals ?? [])]);
    });

  const BROKEN: [text: string, place: string, says: string][] = [
    ['apptainer', '1:1', 'a command of apptainer that runs no payload'],
    ['A=1', '1:1', 'no command of apptainer'],
    ['docker run x', '1:1', 'no command of apptainer'],
    ['apptainer build x.sif docker://x', '1:11', 'a command of apptainer that runs no payload'],
    ['apptainer instance start /i name', '1:11', 'an instance goes on after its command'],
    ['apptainer exec', '1:11', 'the image is missing'],
    ['apptainer exec --nv', '1:16', 'the image is missing'],
    ['apptainer exec /i', '1:16', 'the command is missing'],
    ['apptainer exec instance://web ls', '1:16', 'a running instance is no image'],
    ['apptainer exec --bnd /a /i x', '1:16', 'an unknown option'],
    ['apptainer exec -z /i x', '1:16', 'an unknown option'],
    ['apptainer exec --bind', '1:16', '--bind needs a value'],
    ['apptainer exec --nv=maybe /i x', '1:16', '--nv is true or false'],
    ['apptainer exec -B :/a /i x', '1:19', 'no directory to bind'],
    ['apptainer exec -B /a:b /i x', '1:19', 'no directory to bind'],
    ['apptainer exec -B /a:/b:rx /i x', '1:19', 'no directory to bind'],
    ['apptainer exec --env NAME /i x', '1:22', 'no variable with a value'],
    ['apptainer exec --memory lots /i x', '1:25', 'not a size'],
    ['apptainer exec --cpus two /i x', '1:23', 'not a number of cores'],
    ['apptainer exec --memory-swap 1g /i x', '1:30', 'a limit on memory and swap together needs one on memory'],
    ['apptainer exec --memory 2g --memory-swap 1g /i x', '1:42', 'memory and swap together are less than memory'],
    ['apptainer exec --pids-limit=-5 /i x', '1:16', 'not a whole number'],
    ['apptainer exec --cpuset-cpus 3-1 /i x', '1:30', 'not a set of CPUs'],
    ['apptainer exec -H : /i x', '1:19', 'no home directory'],
    ['APPTAINER_CONTAIN=yes apptainer exec /i x', '1:1', 'APPTAINER_CONTAIN is true or false'],
    ['apptainer exec -B $PWD:/srv /i x', '1:19', 'a variable'],
    ['apptainer exec /i `cat x`', '1:19', 'the output of a command'],
    ['apptainer exec /i cat *.txt', '1:23', 'a pattern of file names'],
    ['apptainer exec /i x | tee y', '1:21', 'a pipe'],
    ['apptainer exec /i x > y', '1:21', 'a redirection'],
    ['apptainer exec /i x; rm -rf /', '1:20', 'a second command'],
    ['apptainer exec /i "x', '1:19', 'a quotation that does not end'],
    ['apptainer exec /i \\\n  x\ny', '3:1', 'a second command'],
  ];
  for (const [text, place, says] of BROKEN)
    it(`${JSON.stringify(text)} is refused at its place`, async () => {
      const errors = await errorsOf(APPTAINER_FORMAT, text, 'cmd.sh');
      expect(errors[0]?.details.where, errors.map(({message}) => message).join('\n')).to.equal(`cmd.sh:${place}`);
      expect(errors[0]?.message).to.include(says);
    });

  it('a text that only looks like a command is soon known', () => {
    const started = performance.now();
    for (const text of [
      'A=\\ '.repeat(20_000),
      'A="x" '.repeat(10_000),
      '#\r\n'.repeat(20_000),
      ' '.repeat(60_000),
      `A=${'\\'.repeat(60_000)}`,
    ])
      expect(APPTAINER_FORMAT.recognises(text, 'x')).to.equal(false);
    expect(performance.now() - started).to.be.lessThan(2000);
  });

  it('damaged commands give a draft or errors with places', async function () {
    this.timeout(60_000);
    await neverCrashes(
      'apptainer',
      fixtures('apptainer').map(({text}) => text),
      1000,
    );
  });
});
