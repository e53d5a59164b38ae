import {expect} from 'chai';
import {COMPOSE_FORMAT} from '../../../src/import/compose.js';
import {plainText} from '../../../src/import/compose-plain.js';
import {interpolate} from '../../../src/import/interpolate.js';
import {neverCrashes} from './reading.js';
import {errorsOf, expectRecognised, expectRobust, expectValid, fixture, plain, written} from './drafts.js';

const NETWORK = 'network_mode, which is not given';

/** What each file asks for, by compose-spec; the second is the service that is meant. */
const EXPECTED: [string, string | null, Partial<ReturnType<typeof plain>>][] = [
  [
    '01-overview.yaml',
    'backend',
    {
      fields: {name: 'backend'},
      limits: {},
      left: [
        'volumes: db-data:/etc/data',
        'networks: back-tier',
        'image: example/database',
        'image: example/database',
        'name: webapp',
        'volumes',
        'configs',
        'secrets',
        'networks',
      ],
    },
  ],
  [
    '02-limits.yaml',
    null,
    {
      fields: {command: ['bundle', 'exec', 'thin', '-p', '3000'], name: 'frontend'},
      // 300 MiB, with swap 1 GiB together
      limits: {memory: 314_572_800, swap: 759_169_024, cores: 0.5, processes: 10},
      proposals: ['devices ["/dev/nvidia*"]'],
      left: [
        'mem_reservation: 20M',
        'deploy.mode: replicated',
        'deploy.replicas: 6',
        'deploy.endpoint_mode: vip',
        'deploy.resources.reservations.cpus: 0.25',
        'deploy.resources.reservations.memory: 20M',
        'deploy.resources.reservations.devices',
        'deploy.restart_policy.delay: 5s',
        'deploy.restart_policy.window: 120s',
        NETWORK,
        'image: awesome/webapp',
        'image: awesome/webapp',
        'deploy.restart_policy: on-failure',
      ],
    },
  ],
  [
    '03-environment.yaml',
    null,
    {
      fields: {command: ['/usr/bin/env'], name: 'web'},
      environment: {
        RACK_ENV: 'development',
        VAR: 'quoted # not a comment',
        LITERAL: `\${OTHER} stays`,
        INLINE: 'VAL',
        HASH: 'VAL# not a comment',
        TAB: 'some\tvalue',
        EMPTY: '',
        SHOW: 'true',
        VERSION: '1.1',
        TAG: 'latest',
        COST: '5$',
        FROM_FILE: 'from .env',
      },
      left: [
        'MISSING',
        'CALLERS',
        'env_file: ./override.env',
        'SESSION_SECRET',
        `TAG: \${TAG:-latest}`,
        'RACK_ENV',
        'environment: VERSION 1.10',
        'environment: USER_INPUT',
        'FROM_FILE',
        NETWORK,
        'image: alpine',
      ],
    },
  ],
  [
    '04-merge.yaml',
    null,
    {
      fields: {workDirectory: '/srv/www', command: ['serve', '--port', '80'], name: 'frontend'},
      environment: {YET_ANOTHER: 'VARIABLE', FOO: 'BAR', ZOT: 'QUIX', KEY: 'VALUE'},
      left: ['cap_drop', NETWORK, 'image: awesome/webapp', 'image: awesome/webapp', 'x-environment', 'x-keys', 'x-common'],
    },
  ],
  [
    '05-extends.yaml',
    'cli',
    {
      fields: {command: ['top', '-b'], name: 'cli'},
      environment: {TZ: 'utc', PORT: '8080'},
      proposals: ['writable ["/data/shared"]'],
      left: [
        'security_opt: label:role:ROLE',
        'security_opt: label:user:USER',
        'volumes: cli-volume:/var/lib/backup/data:ro',
        NETWORK,
        'image: busybox',
        'image: busybox',
        'volumes',
      ],
    },
  ],
  [
    '05-extends.yaml',
    'web',
    {
      fields: {command: ['httpd', '-f'], name: 'web'},
      limits: {memory: 67_108_864, cores: 2},
      environment: {BASE: '1'},
      proposals: ['identity.allowRoot true'],
    },
  ],
  [
    '06-applications.yaml',
    null,
    {
      fields: {
        applications: [
          {
            name: 'prepare',
            command: ['prepare', '--input', '/data'],
            memory: 1_073_741_824,
            restart: {on: 'failure', limit: 3},
          },
          {name: 'cache', command: ['cache', '--port', '6379'], cores: 0.5, ready: {port: 6379}},
          {
            name: 'fit',
            command: ['sh', '-c', 'fit && echo done'],
            workDirectory: '/srv/fit',
            environment: {THREADS: '4'},
            cores: 4,
            memory: 8_589_934_592,
            needs: ['prepare', 'cache'],
          },
        ],
        onFailure: 'continue',
        onOom: 'kill-application',
        name: 'analysis',
      },
      limits: {},
    },
  ],
  ['06-applications.yaml', 'debug', {fields: {command: ['bash'], name: 'debug'}}],
  [
    '07-volumes.yaml',
    null,
    {
      fields: {command: ['run'], name: 'backend'},
      limits: {scratch: 67_108_864},
      proposals: [
        'identity.hostname "backend"',
        'run ["/run/postgres/postgres.sock"]',
        'writable ["/srv/results"]',
        'scratch.inMemory true',
        'devices ["/dev/ttyUSB0"]',
        'devices ["/dev/sda"]',
        'devices ["/dev/nvidia*"]',
      ],
      left: [
        'user: 1000:1000',
        'user: 1000:1000',
        'volumes: volume db-data /data',
        'volumes.volume',
        'volumes: bind /srv/input /input',
        'volumes: ./relative:/relative',
        'tmpfs: /run',
        'tmpfs: /data/tmp:mode=755,uid=1009,gid=1009',
        'devices: /dev/sda:/dev/xvda:rwm',
        'devices: nvidia.com/gpu=all',
        NETWORK,
        'image: example/backend',
        'image: example/backend',
        'volumes',
      ],
    },
  ],
  [
    '08-security.yaml',
    null,
    {
      fields: {network: 'host', command: ['/pilot', '--queue', 'x'], name: 'pilot'},
      limits: {scratch: 1_073_741_824, openFiles: 40_000, processes: 65_535},
      proposals: ['seccomp "unconfined"', 'seccomp "pilot"', 'seccomp "unconfined"', 'grace "1m30s"'],
    },
  ],
  [
    '09-cpus.yaml',
    null,
    {
      fields: {name: 'burn-1', network: 'none', cvmfs: ['atlas.cern.ch'], command: ['/burn', '--for', '60s']},
      // 150 ms of each 50 ms
      limits: {cores: 3, pinCores: true},
      proposals: ['devices ["/dev/nvidia*"]'],
      left: ['gpus: all', 'mem_limit: 0', 'cpuset: 0-3', 'image: example/burn@sha256:0ed5d5928d4737458944eb604cc8509e…', 'version: 3.9'],
    },
  ],
  [
    '10-profiles.yaml',
    null,
    {
      fields: {name: 'web'},
      left: [
        'ports',
        'networks: outer-tier',
        'networks.outer-tier.ipv4_address: 172.16.238.10',
        'networks.outer-tier.aliases',
        'image: nginx',
        'image: nginx',
        'networks',
        'service migrate',
      ],
    },
  ],
];

const web = (lines: string): string => `services:\n  web:\n    image: x\n    command: y\n${lines.replaceAll(/^/gm, '    ')}`;

/** A file, what is wrong with it, and where. */
const BROKEN: [string, string, string][] = [
  ['', 'the document is not a map', 'F'],
  ['services: [', 'Flow sequence', 'F:1:12'],
  ['a: 1', 'there are no services', 'F'],
  ['services:\n\tweb: {}', 'a tab as indentation', 'F:2:1'],
  ['services: []', 'services is not a map', 'F#/services'],
  ['services: {}', 'no service is started without a profile', 'F#/services'],
  ['services: {web: {image: x, command: y}}\nvolumen: {}', 'no compose file has this key', 'F#/volumen'],
  [web('comand: z'), 'no service of compose has this key', 'F#/services/web/comand'],
  [web('command: z'), 'the same key twice', 'F:5:5'],
  [web('mem_limit: lots'), 'not a size', 'F#/services/web/mem_limit'],
  [web('mem_limit: 1g\nmemswap_limit: 1m'), 'memory and swap together are less than memory', 'F#/services/web/memswap_limit'],
  [
    web('mem_limit: 1g\ndeploy: {resources: {limits: {memory: 2g}}}'),
    'two limits of one kind contradict each other',
    'F#/services/web/deploy/resources/limits/memory',
  ],
  [web('deploy: {resources: {limits: {cpus: 1, disk: 2}}}'), 'there is no limit disk', 'F#/services/web/deploy/resources/limits/disk'],
  [web('deploy: {colour: blue}'), 'deploy has no key colour', 'F#/services/web/deploy/colour'],
  [web('cpus: 2\ncpu_quota: 1000'), 'exclude each other', 'F#/services/web/cpus'],
  [web('ulimits: {files: 3}'), 'not a resource limit', 'F#/services/web/ulimits/files'],
  [web('ulimits: {nofile: {soft: 3}}'), 'the limit nofile needs a soft and a hard value', 'F#/services/web/ulimits/nofile'],
  [web('volumes: [{type: disk, target: /x}]'), 'not a type of mount', 'F#/services/web/volumes/0'],
  [web('volumes: ["x:y"]'), 'not a volume', 'F#/services/web/volumes/0'],
  [web('volumes: /data'), 'volumes is not a list', 'F#/services/web/volumes'],
  [web('entrypoint: a && b'), 'a command in the background', 'F#/services/web/entrypoint'],
  [web('working_dir: srv'), 'the working directory is not absolute', 'F#/services/web/working_dir'],
  [web('env_file: nowhere'), 'the file of variables cannot be read', 'F#/services/web/env_file'],
  [web('environment: {A: [1]}'), 'the variable A is not a single value', 'F#/services/web/environment/A'],
  [web('user: $'), 'a dollar sign without the name of a variable', 'F#/services/web/user'],
  [web(`user: "\${A"`), 'the variable A is not written as compose has it', 'F#/services/web/user'],
  [web('extends: {service: base}'), 'the service that is extended is not there', 'F#/services/web/extends'],
  [web('extends: web'), 'the service web extends itself', 'F#/services/web/extends'],
  [web('extends: {file: other.yaml, service: web}'), 'the file that is extended cannot be read', 'F#/services/web/extends'],
  [web('<<: 1'), 'only maps can be merged', 'F#/services/web/<<'],
  [web('privileged: perhaps'), 'privileged is neither true nor false', 'F#/services/web/privileged'],
  [web('restart: sometimes'), 'not a rule for starting again', 'F#/services/web/restart'],
  [web('depends_on: {db: {condition: service_ready, required: false}}'), 'not a condition', 'F#/services/web/depends_on/db/condition'],
  [web('depends_on: [db]'), 'the service that is waited for is not there', 'F#/services/web/depends_on/0'],
  [web('stop_grace_period: soon'), 'not a duration', 'F#/services/web/stop_grace_period'],
  ['a: &a [*a]\nservices: {}', 'an alias that contains itself', 'F:1:8'],
  [
    'services:\n  a: {image: x, command: y}\n  b: {image: z, command: y}',
    'these services cannot be the applications of one job',
    'F#/services',
  ],
  ['services:\n  a: {image: x, command: y}\n  b: {image: x}', 'these services cannot be the applications of one job', 'F#/services'],
  [
    'services:\n  a: {image: x, command: y, depends_on: [b]}\n  b: {image: x, command: y, depends_on: [a]}',
    'services that depend on each other can never start',
    'F#/services/a/depends_on/0',
  ],
];

describe('import of compose files', () => {
  for (const [name, part, expected] of EXPECTED)
    it(`reads ${name}${part === null ? '' : `, service ${part}`}`, async () => {
      const foreign = fixture('compose', name, part);
      expectRecognised(COMPOSE_FORMAT, foreign);
      const draft = await COMPOSE_FORMAT.read(foreign);
      expect(plain(draft)).to.deep.include(expected);
      await expectValid(draft);
    });

  it('tells the place of every value, also of other files', async () => {
    const web = await COMPOSE_FORMAT.read(fixture('compose', '05-extends.yaml', 'web'));
    expect(web.limits.get('memory')?.origin).to.deep.equal({at: 'common.yaml#/services/webapp/mem_limit', as: 'mem_limit: 64m'});
    expect(web.limits.get('cores')?.origin).to.deep.equal({at: '05-extends.yaml#/services/web/cpus', as: 'cpus: 2'});
    expect(web.environment.get('BASE')?.origin).to.deep.equal({at: 'base.env:1:1', as: 'BASE'});
    const merged = await COMPOSE_FORMAT.read(fixture('compose', '04-merge.yaml'));
    expect(merged.environment.get('FOO')?.origin.at).to.equal('04-merge.yaml#/services/frontend/environment/<</0/FOO');
  });

  // as go-yaml 3 resolves them and Go prints them
  const PLAIN: Record<string, string | null> = {
    ...{'0022': '18', '0o22': '18', '0x10': '16', '0b101': '5', '1e3': '1000', '1.10': '1.1', '1_000': '1000', '+5': '5', '-0022': '-18'},
    ...{'08': '8', '00': '0', '.5': '0.5', '1.': '1', '-0.0': '-0', '0.00001': '1e-05', '1e5': '100000', '1e6': '1e+06', '1e21': '1e+21'},
    ...{'18446744073709551615': null, '18446744073709551616': '1.8446744073709552e+19', '1e400': null},
    ...{True: 'true', FALSE: 'false', '.inf': '+Inf', '.NaN': 'NaN', true: null, yes: null, on: null},
    ...{'22': null, '1.5': null, '0x': null, '2024-01-01': null, '1.2.3': null, '12:30': null, '-': null, _1: null, text: null},
  };
  for (const [text, value] of Object.entries(PLAIN))
    it(`gives a variable of the text ${text} without quotes ${value ?? 'the same'}, as compose does`, () => {
      expect(plainText(text)).to.equal(value);
    });

  it('tells where a variable has another text than is written; in quotes, in a list or of a variable it has not', async () => {
    const lines = `environment:\n  MODE: 0022\n  QUOTED: "0022"\n  SINGLE: '1e3'\n  YES: yes\n  ON: True\n  PART: 0\${X:-22}`;
    const read = async (text: string) => {
      const {environment, left} = await COMPOSE_FORMAT.read(written(web(text), 'F'));
      const told = left
        .filter(({because}) => because.includes('without quotes'))
        .map(({origin, because}) => [origin.at, origin.as, because]);
      return {values: Object.fromEntries([...environment].map(([name, {value}]) => [name, value])), told};
    };
    const at = 'F#/services/web/environment';
    const why = 'the text as it is written: without quotes compose reads a value, and the container gets';
    expect(await read(lines)).to.deep.equal({
      values: {MODE: '18', QUOTED: '0022', SINGLE: '1e3', YES: 'yes', ON: 'true', PART: '022'},
      told: [
        [`${at}/MODE`, 'environment: MODE 0022', `${why} "18"`],
        [`${at}/ON`, 'environment: ON True', `${why} "true"`],
      ],
    });
    expect(await read('environment: [MODE=0022]')).to.deep.equal({values: {MODE: '0022'}, told: []});
    expect(await read('environment: &a {MODE: 0x1F}\nlabels: *a')).to.have.nested.property('values.MODE', '31');
  });

  it('lists the services that cannot share a job, and what to do', async () => {
    const [error] = await errorsOf(COMPOSE_FORMAT, fixture('compose', '01-overview.yaml'));
    expect(error?.message).to.equal(
      '01-overview.yaml#/services: these services cannot be the applications of one job; ' +
        'found: frontend (example/webapp, no command), backend (example/database, no command); ' +
        'allowed: one service, or at most 64 that share an image and have a command each; name one: --part frontend',
    );
    const [unknown] = await errorsOf(COMPOSE_FORMAT, fixture('compose', '01-overview.yaml', 'middle'));
    expect(unknown?.details).to.include({found: '"middle"', allowed: 'frontend, backend'});
  });

  it('tells what applications cannot have of their own', async () => {
    const {left} = await COMPOSE_FORMAT.read(fixture('compose', '06-applications.yaml'));
    const because = (as: string): string[] => left.filter(({origin}) => origin.as === as).map((one) => one.because);
    expect(because('pids_limit: 100')[0]).to.include('limits.processes is the whole job’s');
    expect(because('restart: always')[0]).to.include('set primary');
    expect(because('service cache, healthcheck')[0]).to.include('until the port 6379 listens');
    expect(because('service debug')[0]).to.include('profiles');
    expect(left.filter(({origin}) => origin.as === NETWORK)).to.have.length(1);
  });

  for (const [text, message, where] of BROKEN)
    it(`refuses ${JSON.stringify(text)}`, async () => {
      const [error, ...others] = await errorsOf(COMPOSE_FORMAT, written(text, 'F'));
      expect(others.map((one) => one.message)).to.deep.equal([]);
      expect(error?.details.message).to.include(message);
      expect(error?.details.where).to.equal(where);
    });

  it('refuses aliases that repeat too much', async () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
    for (let level = 1; level < 10; level++)
      lines.push(
        `a${level}: &a${level} [${Array(10)
          .fill(`*a${level - 1}`)
          .join(', ')}]`,
      );
    const [error] = await errorsOf(COMPOSE_FORMAT, written([...lines, 'services: {}'].join('\n'), 'F'));
    expect(error?.details.message).to.equal('aliases repeat too much');
  });

  it('shows nothing of files that are not what they are taken for', async () => {
    const read = (): string => 'secret words\n"quoted';
    for (const [key, where] of [
      ['extends: {file: x, service: y}', 'x'],
      ['env_file: x', 'x:1:1'],
    ]) {
      const errors = await errorsOf(COMPOSE_FORMAT, {...written(web(key!), 'F'), read: (path) => (path === 'x' ? read() : null)});
      expect(errors[0]?.details.where).to.equal(where);
      for (const {message} of errors) expect(message).to.not.match(/secret|quoted|words/);
    }
  });

  it('refuses files that extend each other in a circle', async () => {
    const files: Record<string, string> = {
      'b.yaml': 'services: {web: {extends: {file: sub/c.yaml, service: web}}}',
      'sub/c.yaml': 'services: {web: {extends: {file: ../b.yaml, service: web}}}',
    };
    const text = 'services: {web: {image: x, extends: {file: b.yaml, service: web}}}';
    const [error] = await errorsOf(COMPOSE_FORMAT, {text, file: 'a.yaml', part: null, read: (path) => files[path] ?? null});
    expect(error?.details).to.include({
      message: 'the service web extends itself, or too many others in a row',
      where: 'b.yaml#/services/web/extends',
    });
  });

  it('prints a job, or an error with its place, of whatever it is changed to', async function () {
    this.timeout(120_000);
    await neverCrashes(
      'compose',
      EXPECTED.map(([name]) => fixture('compose', name).text),
      500,
    );
  });

  it('makes a draft or an error of whatever a file is changed to', async function () {
    this.timeout(120_000);
    await expectRobust(
      COMPOSE_FORMAT,
      EXPECTED.map(([name, part]) => fixture('compose', name, part)),
      1000,
    );
  });
});

describe('variables of compose', () => {
  const values: Record<string, string> = {SET: 'value', EMPTY: '', NAME: 'SET'};
  const read = (text: string) => interpolate(text, (name) => values[name] ?? null);

  for (const [text, value] of [
    ['$SET', 'value'],
    [`\${SET}`, 'value'],
    [`a\${SET}b$SET.c`, 'avaluebvalue.c'],
    ['$$SET', '$SET'],
    ['$$$SET', '$value'],
    [`\${EMPTY:-default}`, 'default'],
    [`\${EMPTY-default}`, ''],
    [`\${UNSET-default}`, 'default'],
    [`\${UNSET:-}`, ''],
    [`\${UNSET:-\${SET}}`, 'value'],
    [`\${UNSET:-\${ALSO:-deep}}`, 'deep'],
    [`\${SET:+given}`, 'given'],
    [`\${UNSET:+given}`, ''],
    [`\${SET:?needed}`, 'value'],
    [`\${SET?$UNSET}`, 'value'],
  ] as const)
    it(`reads ${text}`, () => {
      expect(read(text)).to.include({value, unknown: null, fault: null});
    });

  for (const text of ['$UNSET', `\${UNSET}`, `\${UNSET:?needed}`, `\${EMPTY:?needed}`, `\${UNSET:-$ALSO}`])
    it(`does not know ${text}`, () => {
      expect(read(text).unknown).to.be.a('string');
    });

  for (const text of ['$', 'a $ b', `\${`, `\${}`, `\${SET`, `\${SET/a/b}`, `\${1}`, `\${A:-`.repeat(100)])
    it(`refuses ${text.slice(0, 40)}`, () => {
      expect(read(text).fault).to.be.a('string');
    });

  it('are read at once in a long text', () => {
    for (const text of ['$SET'.repeat(2e5), `\${A:-`.repeat(2e5), `\${A:-${'$B'.repeat(4e5)}`, '$$'.repeat(5e5)]) read(text);
  });
});
