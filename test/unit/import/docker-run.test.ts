import {expect} from 'chai';
import {DOCKER_RUN_FORMAT} from '../../../src/import/docker-run.js';
import {readCommand, splitWords} from '../../../src/import/words.js';
import {neverCrashes} from './reading.js';
import {errorsOf, expectRecognised, expectRobust, expectValid, fixture, plain, written} from './drafts.js';

const NETWORK = '--network, which is not given';

/** What each line asks for, by docker-run(1) and podman-run(1). */
const EXPECTED: Record<string, Partial<ReturnType<typeof plain>>> = {
  '01-memory.sh': {
    fields: {command: ['/bin/bash']},
    // 300 MiB of memory, and 1 GiB with swap
    limits: {memory: 314_572_800, swap: 759_169_024},
    left: ['-i', '-t', NETWORK, 'IMAGE ubuntu:22.04', 'IMAGE ubuntu:22.04'],
  },
  '02-quota.sh': {fields: {command: ['/bin/bash']}, limits: {cores: 0.5}},
  '03-cpuset.sh': {
    limits: {memory: 536_870_912, cores: 2, pinCores: true},
    left: ['-i', '-t', '--cpu-shares 1024', NETWORK, '-m 512m', '--cpuset-cpus 1,3', 'IMAGE ubuntu:22.04', 'IMAGE ubuntu:22.04'],
  },
  '04-ulimit.sh': {
    fields: {command: ['sh', '-c', 'ulimit -n']},
    limits: {openFiles: 2048, coreSize: 0, processes: 512},
    left: ['--ulimit nofile=1024:2048', '--ulimit cpu=3600', '--rm', NETWORK, '--ulimit nproc=512', 'IMAGE debian', 'IMAGE debian'],
  },
  '05-mounts.sh': {
    fields: {command: ['touch', '/data/here'], workDirectory: '/data'},
    limits: {scratch: 1_073_741_824},
    proposals: ['writable ["/data"]', 'scratch.inMemory true', 'writable ["/doesnt/exist"]', 'run ["/run/munge"]'],
    left: [
      '--read-only',
      '--mount type=volume,target=/icanwrite',
      '--mount type=tmpfs,destination=/tmp,tmpfs-size=1073741824,t…',
      '--tmpfs /run:rw,noexec,nosuid,size=65536k',
      '-v /doesnt/exist:/foo',
      '-v /srv/sw:/srv/sw:ro',
      '-v /var/run/docker.sock:/var/run/docker.sock',
      NETWORK,
      'IMAGE busybox',
      'IMAGE busybox',
    ],
  },
  '06-environment.sh': {
    fields: {command: ['env'], name: 'test'},
    environment: {
      VAR1: 'value1',
      VAR2: 'value2',
      VAR3: 'with spaces # and what looks like a comment',
      VAR4: '"quotes stay"',
      'dotted.name': '1',
      GREETING: 'hello world',
    },
    proposals: ['grace "30s"'],
    left: ['VAR1', 'USER', 'a variable', 'VAR1', '--label my-label', NETWORK, 'IMAGE ubuntu', 'IMAGE ubuntu'],
  },
  '07-identity.sh': {
    fields: {},
    proposals: ['identity.hostname "worker-1"'],
    left: [
      '-d',
      '-u 1000:1000',
      '-u 1000:1000',
      '--group-add audio',
      '--domainname example.org',
      '--network my-net',
      '--ip 10.10.9.75',
      '--mac-address 92:d0:c6:0a:29:33',
      '--dns 8.8.8.8',
      '--add-host host.docker.internal:host-gateway',
      '-p 127.0.0.1:80:8080/tcp',
      '--expose 9000',
      '--restart on-failure:10',
      'IMAGE nginx:alpine',
      'IMAGE nginx:alpine',
    ],
  },
  '08-privileges.sh': {
    fields: {command: ['/bin/sh', '-c', 'id; mount']},
    proposals: [
      'seccomp "unconfined"',
      'seccomp "pilot"',
      'seccomp "/etc/docker/pilot.json"',
      'devices ["/dev/fuse"]',
      'devices ["/dev/sda"]',
      'devices ["/dev/nvidia*"]',
    ],
    left: [
      '--privileged',
      '--cap-add SYS_ADMIN',
      '--cap-drop ALL',
      '--security-opt no-new-privileges',
      '--device /dev/sda:/dev/xvdc:r',
      '--gpus all',
      '--userns host',
      '--pid host',
      '--ipc private',
      '--oom-kill-disable',
      NETWORK,
      'IMAGE ubuntu',
    ],
  },
  '09-podman.sh': {
    fields: {network: 'none', image: '/srv/images/el9', command: ['/usr/bin/python3', '-u', 'script.py', '--verbose', '-v']},
    limits: {wallTime: 3600, memory: 1_610_612_736},
    environment: {LD_PRELOAD: null},
    proposals: ['images ["/srv/images/el9"]'],
    left: ['--cgroup-manager cgroupfs', '--rm', '--memory 1.5g', '--pids-limit -1'],
  },
  '10-grid.sh': {
    fields: {
      network: 'host',
      cvmfs: ['atlas.cern.ch', 'sft.cern.ch'],
      image: '/srv/images/el9.tar',
      command: ['/srv/work/run.sh', 'two words', ''],
    },
    limits: {cores: 8, scratch: 21_474_836_480},
    proposals: ['writable ["/home/pilot/work"]', 'identity.hostname "grid.example.org"', 'images ["/srv/images/el9.tar"]'],
    left: [
      '-i',
      '-t',
      '--rm',
      '--shm-size 2g',
      '-v /home/pilot/work:/srv/work:Z',
      '-v /home/pilot/work:/srv/work:Z',
      '--tz Europe/Zurich',
      'IMAGE oci-archive:/srv/images/el9.tar',
    ],
  },
};

/** A command line, what is wrong with it, and where. */
const BROKEN: [string, string, string][] = [
  ['', 'there is no command', 'F:1:1'],
  ['ls -l', 'not a command that starts a container', 'F:1:1'],
  ['$ docker run x', 'not a command that starts a container', 'F:1:1'],
  ['docker build .', 'not a command that starts a container', 'F:1:8'],
  ['docker run --memroy 1g x', 'an unknown option', 'F:1:12'],
  ['docker run -itz x', 'an unknown option', 'F:1:12'],
  ['docker run --rm', 'the image is missing', 'F:1:12'],
  ['docker run -m', '-m needs a value', 'F:1:12'],
  ['docker run --rm=perhaps x', '--rm is true or false', 'F:1:12'],
  ['docker run -m lots x', 'not a size', 'F:1:15'],
  ['docker run -m 2g \\\n  --memory-swap 1g x', 'memory and swap together are less than memory', 'F:2:17'],
  ['docker run --memory-swap 1g x', 'a limit on memory and swap together needs one on memory', 'F:1:26'],
  ['docker run --cpus 2 --cpu-quota 1000 x', 'exclude each other', 'F:1:19'],
  ['docker run --cpus=-2 x', 'not a number of cores', 'F:1:12'],
  ['docker run --cpuset-cpus 3-1 x', 'not a set of CPUs', 'F:1:26'],
  ['docker run --ulimit nofiles=1 x', 'not a resource limit', 'F:1:21'],
  ['docker run --ulimit nofile=2:1 x', 'the soft limit is above the hard one', 'F:1:21'],
  ['docker run -v a:b:c:d x', 'not a volume', 'F:1:15'],
  ['docker run --mount type=magic,target=/x x', 'not a type of mount', 'F:1:20'],
  ['docker run --mount type=bind,source=/x x', 'the target of the mount is missing', 'F:1:20'],
  ['docker run --env-file nowhere x', 'the file of variables cannot be read', 'F:1:23'],
  ['docker run -e =x y', 'a variable without a name', 'F:1:15'],
  ['docker run -w srv x', 'the working directory is not absolute', 'F:1:15'],
  ['docker run --device fuse x', 'not a device', 'F:1:21'],
  ['docker run --tmpfs tmp x', 'not a directory for a file system in memory', 'F:1:20'],
  ["docker run x sh -c 'echo", 'a quotation that does not end', 'F:1:20'],
  ['docker run -v $HOME:/home x', 'a variable, or the output of a command', 'F:1:15'],
  ['docker run x cat *.txt', 'a pattern of file names', 'F:1:18'],
  ['docker run x | tee log', 'a pipe', 'F:1:14'],
  ['docker run x\ndocker run y', 'a second command', 'F:2:1'],
  ['docker run \u0000 x', 'the command is not text', 'F:1:12'],
  ['docker run "" ', 'the image is missing', 'F:1:12'],
];

describe('import of docker run', () => {
  for (const [name, expected] of Object.entries(EXPECTED))
    it(`reads ${name}`, async () => {
      const foreign = fixture('docker-run', name);
      expectRecognised(DOCKER_RUN_FORMAT, foreign);
      const draft = await DOCKER_RUN_FORMAT.read(foreign);
      expect(plain(draft)).to.deep.include(expected);
      await expectValid(draft);
    });

  it('tells the place of every value', async () => {
    const {fields, limits, environment} = await DOCKER_RUN_FORMAT.read(fixture('docker-run', '06-environment.sh'));
    expect(environment.get('VAR3')?.origin).to.deep.equal({at: 'env.list:3:1', as: 'VAR3'});
    expect(environment.get('GREETING')?.origin).to.deep.equal({at: '06-environment.sh:3:25', as: '--env GREETING'});
    expect(fields.get('command')?.origin).to.deep.equal({at: '06-environment.sh:5:12', as: 'COMMAND env'});
    expect(limits.size).to.equal(0);
  });

  it('tells what to give instead of a program that boots a system', async () => {
    const {left} = await DOCKER_RUN_FORMAT.read(written('docker run --network host x /sbin/init', 'F'));
    expect(left.map(({because}) => because).join()).to.include('this boots a system');
  });

  for (const [text, message, where] of BROKEN)
    it(`refuses ${JSON.stringify(text)}`, async () => {
      const [error, ...others] = await errorsOf(DOCKER_RUN_FORMAT, written(text, 'F'));
      expect(others.map((one) => one.message)).to.deep.equal([]);
      expect(error?.details.message).to.include(message);
      expect(error?.details.where).to.equal(where);
    });

  it('tells everything that is wrong at once', async () => {
    const errors = await errorsOf(DOCKER_RUN_FORMAT, written('docker run -m 1x --cpus many -w . IMAGE', 'F'));
    expect(errors.map(({details}) => details.where)).to.deep.equal(['F:1:15', 'F:1:25', 'F:1:33']);
  });

  it('prints a job, or an error with its place, of whatever it is changed to', async function () {
    this.timeout(120_000);
    await neverCrashes(
      'docker-run',
      Object.keys(EXPECTED).map((name) => fixture('docker-run', name).text),
      500,
    );
  });

  it('makes a draft or an error of whatever a line is changed to', async function () {
    this.timeout(120_000);
    await expectRobust(
      DOCKER_RUN_FORMAT,
      Object.keys(EXPECTED).map((name) => fixture('docker-run', name)),
      1500,
    );
  });
});

describe('words of a command', () => {
  const texts = (text: string): string[] => readCommand(text, 'F').map((word) => word.text);

  it('are what a shell makes of quotes and backslashes', () => {
    expect(texts(`a 'b c' "d \\"e\\" \\$f \\x" g\\ h i''j ""`)).to.deep.equal(['a', 'b c', 'd "e" $f \\x', 'g h', 'ij', '']);
    expect(texts('# one\n\n  a \\\n  b # two\n# three\n')).to.deep.equal(['a', 'b']);
    expect(texts('a \\\r\n b\r\n')).to.deep.equal(['a', 'b']);
    expect(texts(`a "5$" $ b#c {{.Name}} x~y`)).to.deep.equal(['a', '5$', '$', 'b#c', '{{.Name}}', 'x~y']);
  });

  for (const text of [
    'a $x',
    'a "$x"',
    'a `b`',
    'a "`b`"',
    'a $(b)',
    'a b*',
    'a ?',
    'a [b]',
    'a ~/b',
    'a b=~/c',
    'a {b,c}',
    'a & b',
    'a; b',
    'a > b',
    'a < b',
    '(a)',
    "a $'b'",
    'a \\',
    'a "b',
  ])
    it(`are not those of ${text}`, () => {
      expect(() => readCommand(text, 'F')).to.throw(/^F:1:\d+: /);
    });

  it('are taken out of a long text at once', () => {
    for (const text of [
      'x'.repeat(1e6),
      'x '.repeat(9000),
      `'${'x\n'.repeat(5e5)}'`,
      '{'.repeat(1e6),
      'a=:~'.repeat(1000),
      '*a'.repeat(5e5),
    ])
      try {
        readCommand(text, 'F');
      } catch (error) {
        expect(error).to.have.property('message').that.matches(/^F:/);
      }
    expect(() => readCommand('x '.repeat(20_000), 'F')).to.throw('too many words');
    expect(() => readCommand('x'.repeat(2 ** 21), 'F')).to.throw('the command is too long');
  });

  it('of compose have no expansions, and lines are blanks', () => {
    expect(splitWords('a $b *\n "c d" #e', 'P').map((word) => word.text)).to.deep.equal(['a', '$b', '*', 'c d', '#e']);
    expect(() => splitWords('a && b', 'P')).to.throw('P: a command in the background');
  });
});
