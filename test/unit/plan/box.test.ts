import {expect} from 'chai';
import {EXIT, TareErrors} from '../../../src/errors.js';
import {canonicalJson} from '../../../src/plan/canonical.js';
import {formatLimit} from '../../../src/plan/limit-words.js';
import {explainPlan} from '../../../src/steps/explain.js';
import {whyNotInBox} from '../../../src/plan/covered.js';
import {stepOf, stepsOf} from '../../../src/plan/step.js';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import {asUser, BUBBLEWRAP, facts, GIB, no, NO_CGROUP, plan, ROOT, thrown, USER, v1, WORK, type Parts} from './build.js';

/** `ro /a`, `rw /a`, `dev /a`, with `?` when it may be missing. */
const binds = (made: Plan): string[] =>
  stepsOf(made, 'mount.bind').map(
    ({source, destination, options, optional}) =>
      `${options.join()}${optional ? '?' : ''} ${source === destination ? source : `${source} ${destination}`}`,
  );
const ALWAYS = ['ro /', 'ro {box}/features /dev/tare', 'rw {box}/tmp /tmp', 'rw {box}/var-tmp /var/tmp'];
const DEFAULTS = ['ro? /tmp/x509up_u1001', 'ro? /tmp/bt_u1001', 'ro? /tmp/krb5cc_1001'];
const extra = (parts: Parts): string[] => binds(plan({policy: {devices: []}, ...parts})).filter((bind) => !ALWAYS.includes(bind));

describe('mounts', () => {
  it('are in this order: the node read-only, private places over it, then what is brought back', () => {
    const made = plan({job: {writable: ['/data/atlas']}, policy: {writable: ['/data'], devices: ['/dev/fuse']}});
    expect(made.steps.flatMap((step) => ('destination' in step ? [`${step.op} ${step.destination}`] : []))).to.deep.equal([
      'mount.bind /',
      'mount.proc /proc',
      'mount.dev /dev',
      'mount.bind /dev/fuse',
      'mount.bind /dev/tare',
      'mount.readonly /dev',
      'mount.tmpfs /dev/shm',
      'mount.tmpfs /run',
      'mount.bind /tmp',
      'mount.bind /var/tmp',
      'mount.bind /tmp/x509up_u1001',
      'mount.bind /tmp/bt_u1001',
      'mount.bind /tmp/krb5cc_1001',
      `mount.bind ${WORK}`,
      'mount.bind /data/atlas',
      'mount.readonly /run',
    ]);
    expect(stepsOf(made, 'directory.create').map(({path, mode, owner}) => [path, mode, owner])).to.deep.equal([
      ['{box}/tmp', '0700', 'job'],
      ['{box}/var-tmp', '0700', 'job'],
    ]);
    expect(stepOf(made, 'mount.tmpfs')).to.include({mode: '1777', sizeBytes: null});
    expect(stepOf(made, 'privileges.drop')).to.include({noNewPrivs: true, capabilities: 'none'});
  });

  const works: [work: string, expected: string[]][] = [
    ['/home/u/job', [...DEFAULTS, 'rw /home/u/job']],
    ['/usr/local/job', [...DEFAULTS, 'rw /usr/local/job']],
    ['/var/lib/condor/execute/dir_1', [...DEFAULTS, 'rw /var/lib/condor/execute/dir_1']],
    ...['/', '/usr', '/etc', '/var', '/proc', '/dev', '/opt', '/run', '/boot', '/lib64'].map((work): [string, string[]] => [
      work,
      DEFAULTS,
    ]),
    // a control group that is writable in the box is a way out of its limits
    ...['/sys', '/sys/fs/cgroup/slot', '/proc/1', '/proc/sys/kernel'].map((work): [string, string[]] => [work, DEFAULTS]),
    ['/system/job', [...DEFAULTS, 'rw /system/job']],
    ['/processes', [...DEFAULTS, 'rw /processes']],
    ['/tmp/job', [...DEFAULTS, 'rw /tmp/job']],
    ['/var/tmp/job', [...DEFAULTS, 'rw /var/tmp/job']],
    // the work directory is the node's, as it is asked for, and what lies in it is there already
    ['/tmp', ['rw /tmp']],
  ];
  for (const [work, expected] of works) {
    it(`with the work directory ${work}`, () => {
      expect(extra({job: {workDirectory: work}})).to.deep.equal(expected);
      expect(stepOf(plan({job: {workDirectory: work}}), 'payload.execute')?.workDirectory).to.equal(work);
    });
  }

  const credentials: [title: string, environment: Record<string, string>, expected: string[]][] = [
    ['a file in /tmp', {X509_USER_PROXY: '/tmp/proxy'}, ['/tmp/proxy']],
    ['a file in /var/tmp', {BEARER_TOKEN_FILE: '/var/tmp/t'}, ['/var/tmp/t']],
    ['a file in /dev/shm', {BEARER_TOKEN_FILE: '/dev/shm/t'}, ['/dev/shm/t']],
    ['a file that is visible anyway', {X509_USER_PROXY: '/home/atlas001/proxy', X509_USER_CERT: '/tmpfiles/cert'}, []],
    ['FILE:', {KRB5CCNAME: 'FILE:/tmp/cc'}, ['/tmp/cc']],
    ['DIR:', {KRB5CCNAME: 'DIR:/tmp/cc'}, ['/tmp/cc']],
    ['DIR::', {KRB5CCNAME: 'DIR::/tmp/cc/tkt'}, ['/tmp/cc/tkt']],
    ['KEYRING:, which is no file', {KRB5CCNAME: 'KEYRING:persistent:1001'}, []],
    ['KCM:, which is no file', {KRB5CCNAME: 'KCM:'}, []],
    ['a relative path', {X509_USER_PROXY: 'tmp/proxy'}, []],
    ['an empty value', {X509_USER_PROXY: ''}, []],
    ['a variable that is no credential', {MY_PROXY: '/tmp/proxy'}, []],
    [
      'the same file twice, and a default place',
      {X509_USER_PROXY: '/tmp/p', X509_USER_CERT: '/tmp/p', BEARER_TOKEN_FILE: '/tmp/bt_u1001'},
      ['/tmp/p', '/tmp/bt_u1001'],
    ],
    [
      'whole private directories, which would undo them',
      {
        X509_USER_PROXY: '/tmp',
        X509_USER_CERT: '/dev',
        X509_USER_KEY: '/proc',
        KRB5CCNAME: 'DIR:/var/tmp',
        BEARER_TOKEN_FILE: '/proc/1/root',
      },
      [],
    ],
    ...['/tmp/', '/tmp//', '/tmp/.', '/tmp/a/..', '/tmp/../tmp', '/var/tmp/', '/var/tmp/x/../', '/dev/shm/', '/dev/shm/a/..'].map(
      (path): [string, Record<string, string>, string[]] => [`a private directory, by ${path}`, {X509_USER_PROXY: path}, []],
    ),
    ...['/tmp/..', '/tmp/../', '/', '/tmp/../etc/shadow', '/tmp/../dev', '/dev/shm/../mem', '/var/tmp/../../proc/1/root'].map(
      (path): [string, Record<string, string>, string[]] => [`what is not in a private directory, by ${path}`, {X509_USER_PROXY: path}, []],
    ),
    ['KRB5CCNAME of a private directory', {KRB5CCNAME: 'DIR::/tmp/'}, []],
    ['a final slash', {KRB5CCNAME: 'DIR:/tmp/cc/'}, ['/tmp/cc']],
    ['a way round', {X509_USER_PROXY: '/tmp/a/../p', X509_USER_CERT: '/home/../tmp//p'}, ['/tmp/p']],
    ['one below another', {X509_USER_PROXY: '/tmp/d/proxy', X509_USER_CERT: '/tmp/d', X509_USER_KEY: '/tmp/d/a/b'}, ['/tmp/d']],
    ['one beside another', {X509_USER_PROXY: '/tmp/d', X509_USER_CERT: '/tmp/d2'}, ['/tmp/d', '/tmp/d2']],
    ['one below a default place', {BEARER_TOKEN_FILE: '/tmp/bt_u1001/token', X509_USER_PROXY: '/tmp/krb5cc_1001/../krb5cc_1001/x'}, []],
  ];
  for (const [title, environment, expected] of credentials) {
    it(`with a credential: ${title}`, () => {
      const found = extra({call: {environment}}).filter((bind) => bind.startsWith('ro? '));
      expect(found).to.deep.equal([...new Set([...expected.map((path) => `ro? ${path}`), ...DEFAULTS])]);
    });
  }

  it('with a credential in a writable directory, which is there already', () => {
    expect(
      extra({job: {workDirectory: '/tmp/job'}, call: {environment: {X509_USER_PROXY: '/tmp/job/proxy', KRB5CCNAME: '/tmp/jobs'}}}),
    ).to.deep.equal(['ro? /tmp/jobs', ...DEFAULTS, 'rw /tmp/job']);
  });

  it('with credentials by the policy’s names and the payload’s account', () => {
    const made = plan({
      policy: {credentials: ['MY_PROXY']},
      call: {...asUser({...USER, uid: 7}), environment: {MY_PROXY: '/tmp/p', X509_USER_PROXY: '/tmp/q'}},
      facts: {caller: ROOT},
    });
    expect(binds(made).filter((bind) => bind.startsWith('ro? '))).to.deep.equal([
      'ro? /tmp/p',
      'ro? /tmp/x509up_u7',
      'ro? /tmp/bt_u7',
      'ro? /tmp/krb5cc_7',
    ]);
    expect(stepsOf(made, 'mount.bind').find(({source}) => source === '/tmp/p')?.because).to.equal('credential named by MY_PROXY');
  });

  const devices: [title: string, allowed: string[] | null, wished: string[], expected: string[] | 'refused'][] = [
    ['those that are here, by the built-in policy', null, [], ['/dev/fuse', '/dev/nvidia0', '/dev/nvidiactl', '/dev/dri/card0']],
    ['none', [], [], []],
    ['by a pattern', ['/dev/nvidia*'], [], ['/dev/nvidia0', '/dev/nvidiactl']],
    ['a star is no slash', ['/dev/*'], [], ['/dev/fuse', '/dev/nvidia0', '/dev/nvidiactl']],
    ['one that is asked for and here', ['/dev/fuse'], ['/dev/fuse'], ['/dev/fuse']],
    ['one that is asked for and is not known to be here', ['/dev/fuse', '/dev/kvm'], ['/dev/kvm'], ['/dev/fuse', '/dev/kvm']],
    ['one that is asked for and not allowed', ['/dev/fuse'], ['/dev/kvm'], 'refused'],
    ['one that is asked for where none is allowed', [], ['/dev/fuse'], 'refused'],
  ];
  for (const [title, allowed, wished, expected] of devices) {
    it(`of devices: ${title}`, () => {
      const parts = {job: {devices: wished}, policy: allowed === null ? {} : {devices: allowed}};
      if (expected === 'refused') {
        const error = thrown(() => plan(parts));
        expect([error.code, error.exit, error.details.where]).to.deep.equal(['DEVICE_FORBIDDEN', EXIT.refused, 'job.yaml#/devices/0']);
        return;
      }
      expect(binds(plan(parts)).filter((bind) => bind.startsWith('dev '))).to.deep.equal(expected.map((device) => `dev ${device}`));
    });
  }

  const writable: [directory: string, allowed: string[], fine: boolean][] = [
    ['/data', ['/data'], true],
    ['/data/a/b', ['/x', '/data'], true],
    ['/data/a', ['/data/'], true],
    ['/database', ['/data'], false],
    ['/', ['/data'], false],
    ['/data', [], false],
    ['/anything', ['/'], true],
  ];
  for (const [directory, allowed, fine] of writable) {
    it(`of writable ${directory} where ${allowed.join(', ') || 'nothing'} is allowed`, () => {
      const parts = {job: {writable: [directory]}, policy: {writable: allowed}};
      if (fine) {
        expect(stepsOf(plan(parts), 'mount.bind').at(-1)).to.deep.equal({
          op: 'mount.bind',
          source: directory,
          destination: directory,
          options: ['rw'],
          optional: false,
          because: 'writable (job.yaml#/writable/0)',
        });
        return;
      }
      const error = thrown(() => plan(parts));
      expect([error.code, error.exit, error.details.where, error.details.found]).to.deep.equal([
        'WRITABLE_FORBIDDEN',
        EXIT.refused,
        'job.yaml#/writable/0',
        JSON.stringify(directory),
      ]);
    });
  }

  for (const directory of ['/sys', '/sys/fs/cgroup', '/sys/fs/cgroup/slot/', '/proc', '/proc/sys', '/proc/1/root']) {
    it(`of writable ${directory}: stays as it is, though everything is allowed`, () => {
      expect(extra({job: {writable: [directory, '/data']}, policy: {writable: ['/'], devices: []}})).to.deep.equal([
        ...DEFAULTS,
        `rw ${WORK}`,
        'rw /data',
      ]);
    });
  }

  it('that are forbidden are refused also where no box can be built, and all at once; observed, the plan says so and lets the job run', () => {
    const job = {devices: ['/dev/kvm'], writable: ['/data'], network: 'none' as const};
    const parts: Parts[] = [{}, {facts: {newProc: no}}];
    for (const {policy, ...rest} of parts) {
      expect(() => plan({job, policy: {network: ['host'], ...policy}, ...rest}))
        .to.throw(TareErrors)
        .that.satisfies(
          ({errors}: TareErrors) => errors.map(({code}) => code).join() === 'NETWORK_FORBIDDEN,DEVICE_FORBIDDEN,WRITABLE_FORBIDDEN',
        );
    }
    const {mode, observed, steps} = plan({job, policy: {network: ['host'], mode: 'observe'}});
    expect(mode.value).to.equal('observe');
    expect(observed?.refused?.code).to.equal('NETWORK_FORBIDDEN');
    for (const forbidden of ['network', 'device', 'writing there']) expect(observed?.refused?.reason).to.contain(forbidden);
    expect(steps.some(({op}) => op.startsWith('mount.'))).to.equal(false);
  });
});

describe('environment', () => {
  const changes = (parts: Parts): string[] =>
    plan(parts).steps.flatMap((step) =>
      step.op === 'environment.set' ? [`${step.name}=${step.value}`] : step.op === 'environment.unset' ? [`-${step.name}`] : [],
    );
  const CORES = (number: number): string[] =>
    ['ATHENA_CORE_NUMBER', 'ATHENA_PROC_NUMBER', 'OMP_NUM_THREADS'].map((name) => `${name}=${number}`);
  const rows: [title: string, parts: Parts, expected: string[]][] = [
    ['is the caller’s', {call: {environment: {A: '1', PATH: '/bin'}}}, []],
    ['has the number of cores that was asked for', {job: {limits: {cores: 8}}}, CORES(8)],
    ['has whole cores only', {job: {limits: {cores: 7.9}}}, CORES(7)],
    ['has one core at least', {job: {limits: {cores: 0.5}}}, CORES(1)],
    ['has the number that was clamped to', {job: {limits: {cores: 8}}, policy: {maxima: {cores: 4}}}, CORES(4)],
    [
      'what was asked for beats the caller',
      {job: {limits: {cores: 8}}, call: {environment: {OMP_NUM_THREADS: '2', ATHENA_CORE_NUMBER: '8'}}},
      CORES(8).slice(1),
    ],
    [
      'the caller’s value counts before the policy’s default',
      {policy: {defaults: {cores: 8}}, call: {environment: {OMP_NUM_THREADS: '2'}}},
      CORES(8).slice(0, 2),
    ],
    [
      'the job’s own word beats both',
      {job: {limits: {cores: 8}, environment: {OMP_NUM_THREADS: '1', ATHENA_CORE_NUMBER: null}}},
      ['ATHENA_PROC_NUMBER=8', 'OMP_NUM_THREADS=1'],
    ],
    ['sets the job’s variables, in the order of their names', {job: {environment: {b: '2', a: '', B: 'x=y'}}}, ['B=x=y', 'a=', 'b=2']],
    ['does not set what is so already', {job: {environment: {A: '1', B: '2'}}, call: {environment: {A: '1', B: '1'}}}, ['B=2']],
    ['takes away only what is there', {job: {environment: {A: null, B: null}}, call: {environment: {A: '1'}}}, ['-A']],
    [
      'TMPDIR that the box hides becomes /tmp',
      {call: {environment: {TMPDIR: '/tmp/slot1', TEMP: '/var/tmp/x', TMP: '/dev/shm'}}},
      ['TMPDIR=/tmp', 'TEMP=/tmp', 'TMP=/tmp'],
    ],
    ['TMPDIR that is in the box stays', {call: {environment: {TMPDIR: '/tmp', TEMP: '/var/tmp'}}}, []],
    ['TMPDIR that is read-only in the box becomes /tmp', {call: {environment: {TMPDIR: '/scratch/x'}}}, ['TMPDIR=/tmp']],
    [
      'TMPDIR in the work directory stays',
      {job: {workDirectory: '/tmp/job'}, call: {environment: {TMPDIR: '/tmp/job/tmp', TMP: '/tmp/job2'}}},
      ['TMP=/tmp'],
    ],
    [
      'TMPDIR that the job sets is the job’s affair',
      {job: {environment: {TMPDIR: '/tmp/mine'}}, call: {environment: {TMPDIR: '/tmp/slot1'}}},
      ['TMPDIR=/tmp/mine'],
    ],
    ['TMPDIR stays where nothing is hidden', {facts: {newProc: no}, call: {environment: {TMPDIR: '/tmp/slot1'}}}, []],
  ];
  for (const [title, parts, expected] of rows) {
    it(title, () => {
      expect(changes(parts)).to.deep.equal(expected);
    });
  }

  it('says why', () => {
    const made = plan({job: {limits: {cores: 2}, environment: {A: '1'}}, call: {environment: {TMPDIR: '/tmp/x'}}});
    expect(
      stepsOf(made, 'environment.set')
        .map(({name, because}) => [name, because])
        .slice(2),
    ).to.deep.equal([
      ['OMP_NUM_THREADS', 'cores (job.yaml#/limits/cores)'],
      ['TMPDIR', '/tmp/x is not in the box'],
      ['A', 'job.yaml#/environment/A'],
    ]);
  });
});

describe('canonical JSON', () => {
  const rows: [value: unknown, text: string][] = [
    [null, 'null'],
    [true, 'true'],
    [0, '0'],
    [-0, '0'],
    [1.5, '1.5'],
    [1e21, '1e+21'],
    ['a"\n', '"a\\"\\n"'],
    [[], '[]'],
    [{}, '{}'],
    [{b: 1, a: [2, {d: null, c: 'x'}]}, '{"a":[2,{"c":"x","d":null}],"b":1}'],
    [{é: 1, z: 2, Z: 3, '': 4}, '{"":4,"Z":3,"z":2,"é":1}'],
    // code units, not numbers (RFC 8785, 3.2.3)
    [{9: 1, 10: 2, a: 3, '1a': 4}, '{"10":2,"1a":4,"9":1,"a":3}'],
    [{'\u{1F600}': 1, '\uFB33': 2}, '{"\u{1F600}":1,"\uFB33":2}'],
    [{a: undefined, b: [undefined]}, '{"b":[null]}'],
  ];
  for (const [value, text] of rows) {
    it(text, () => {
      expect(canonicalJson(value)).to.equal(text);
    });
  }

  it('reads back as the same value, whatever the order of keys was', () => {
    const value = {z: [{y: 1, x: 2}], a: {c: 'é', b: null}};
    expect(JSON.parse(canonicalJson(value))).to.deep.equal(value);
    expect(canonicalJson({a: {b: null, c: 'é'}, z: [{x: 2, y: 1}]})).to.equal(canonicalJson(value));
  });
});

describe('a plan in words', () => {
  const everything: Parts = {
    job: {
      name: 'x',
      command: ['a', 'b c'],
      network: 'none',
      environment: {A: '1', B: null},
      devices: ['/dev/fuse'],
      limits: {cores: 2, pinCores: true, memory: '1GiB', processes: 9, wallTime: '1h', cpuTime: '2h', openFiles: 10},
    },
    call: {...asUser(USER), environment: {B: 'x'}},
    facts: {caller: ROOT, cgroup: NO_CGROUP, kernel: {...facts().kernel, version: [5, 4]}},
  };
  const titles = (made: Plan): string[] => explainPlan(made).map(({title}) => title);
  const rowsOf = (made: Plan, title: string): readonly (readonly string[])[] =>
    explainPlan(made).find((section) => section.title === title)?.rows ?? [];

  it('has a section for each kind of step in it, and no empty one', () => {
    expect(titles(plan(everything))).to.deep.equal([
      'Decision',
      'Limits',
      'Box',
      'Mounts',
      'Environment',
      'Watches',
      'Payload',
      'Directories',
    ]);
    expect(titles(plan({facts: {cgroup: NO_CGROUP, newProc: no}}))).to.deep.equal([
      'Decision',
      'Limits',
      'Box',
      'Environment',
      'Watches',
      'Payload',
      'Directories',
    ]);
    expect(titles(plan({policy: {processMemory: 'never'}, facts: {cgroup: NO_CGROUP, newProc: no}}))).to.not.include('Watches');
    expect(titles({...plan(), steps: []})).to.deep.equal(['Decision', 'Limits', 'Directories']);
    expect(titles(plan())).to.include('Control groups');
  });

  it('names every step once, and gives every row the columns of its head', () => {
    const v1All: Parts = {...everything, facts: {...everything.facts, cgroup: v1({memory: 'memory', cpu: 'cpu', pids: 'pids'})}};
    for (const made of [plan(everything), plan(v1All), plan({job: {limits: {memory: '1GiB'}}})]) {
      const sections = explainPlan(made);
      for (const {title, head, rows} of sections)
        for (const row of rows) expect(row, `${title}: ${row.join()}`).to.have.length(head.length);
      const named = sections
        .filter(({title}) => !['Decision', 'Limits', 'Payload', 'Directories'].includes(title))
        .flatMap(({rows}) => rows);
      expect(named).to.have.length(made.steps.length - 1);
    }
  });

  it('has the decisions and their sources', () => {
    const rows = rowsOf(plan(everything), 'Decision');
    expect(rows).to.deep.include(['engine', 'bubblewrap 0.11.0', 'a test']);
    expect(rows).to.deep.include(['runs as', 'atlas001', 'atlas001 (job.yaml#/user)']);
    expect(rows).to.deep.include(['rule', 'none', 'no rule of the policy matches']);
    expect(rows).to.deep.include(['grace', '10s', 'builtin']);
    const other = rowsOf(plan({policy: {rules: [{name: 'all', match: {user: ['*']}}]}, facts: {newProc: no}}), 'Decision');
    expect(other).to.deep.include(['rule', 'all', 'the first rule that matches']);
    expect(other).to.deep.include(['runs as', 'atlas001', 'the caller']);
    expect(other.find(([what]) => what === 'engine')?.[1]).to.equal('none');
    expect(rowsOf(plan({call: asUser({...USER, name: null})}), 'Decision')).to.deep.include(['runs as', 'the caller', 'the caller']);
  });

  it('says limits, watches and payload as people write them', () => {
    const made = plan({
      job: {command: ['a', 'b c'], limits: {memory: '1GiB', wallTime: '90m'}},
      policy: {maxima: {memory: '512MiB'}},
      facts: {cgroup: NO_CGROUP},
    });
    const memory = rowsOf(made, 'Limits').find(([what]) => what === 'memory');
    expect(memory?.slice(0, 5)).to.deep.equal(['memory', '512 MiB', '1 GiB', 'watched', 'watch.memory']);
    expect(
      rowsOf(made, 'Limits')
        .find(([what]) => what === 'CPU time')
        ?.slice(0, 5),
    ).to.deep.equal(['CPU time', 'none', '-', 'none', '-']);
    expect(rowsOf(made, 'Watches').map((row) => row.slice(0, 2))).to.deep.equal([
      ['memory', '512 MiB'],
      ['wall time', '1h30m'],
      ['memory of processes', '30s'],
    ]);
    expect(rowsOf(made, 'Payload')).to.deep.equal([
      ['argv', '"a" "b c"'],
      ['work directory', WORK],
    ]);
  });

  it('writes each unit', () => {
    const rows: [number | null, 'bytes' | 'us' | 'cores' | 'flag' | 'nice' | 'count', string][] = [
      [null, 'bytes', 'none'],
      [GIB, 'bytes', '1 GiB'],
      [5e6, 'us', '5s'],
      [2, 'cores', '2 cores'],
      [0, 'flag', 'no'],
      [1, 'flag', 'yes'],
      [19, 'nice', '19'],
      [64, 'count', '64'],
    ];
    for (const [value, unit, text] of rows) expect(formatLimit({value, unit})).to.equal(text);
  });
});

describe('mounts below directories that the job’s user cannot list', () => {
  const OWN = {directories: {state: '/srv/users/%u'}, writable: ['/srv']};
  const inner = (made: Plan): string[] =>
    made.steps.flatMap((step) =>
      (step.op === 'mount.bind' || step.op === 'mount.tmpfs') && step.inside !== undefined
        ? [`${step.destination} in ${step.inside.at}/${step.inside.path}`]
        : [],
    );
  const bound = (made: Plan): string[] =>
    stepsOf(made, 'mount.closed').map(({source, at, destination, readOnly}) => `${readOnly ? 'ro' : 'rw'} ${source} ${at} ${destination}`);

  it('are made in the outermost, which is bound once, read-only, after namespaces of enter’s own', () => {
    const made = plan({policy: OWN, job: {writable: ['/srv/users/data']}, call: {closed: ['/home', '/srv/users', '/srv/users/1001']}});
    expect(bound(made)).to.deep.equal(['ro /srv/users {box}/closed-0 /srv/users', 'ro /home {box}/closed-1 /home']);
    expect(inner(made)).to.deep.equal([
      '/srv/users/1001 in {box}/closed-0/1001',
      `${WORK} in {box}/closed-1${WORK.slice('/home'.length)}`,
      '/srv/users/data in {box}/closed-0/data',
    ]);
    expect(stepsOf(made, 'directory.create').map(({path}) => path)).to.include.members(['{box}/closed-0', '{box}/closed-1']);
    const ops = made.steps.map(({op}) => op);
    expect(ops.indexOf('view.unshare')).to.be.within(0, ops.indexOf('mount.closed'));
  });

  it('stay the engine’s without such a directory, and where only the engine can mount', () => {
    for (const made of [
      plan({policy: OWN}),
      plan({policy: OWN, call: {closed: ['/other']}}),
      plan({policy: OWN, call: {closed: ['/srv/users']}, facts: {engines: [{...BUBBLEWRAP, setuid: true}]}}),
      plan({policy: OWN, call: {closed: ['/srv/users']}, facts: {namespaces: {...facts().namespaces, user: no}}}),
    ])
      expect([...bound(made), ...inner(made)]).to.deep.equal([]);
  });

  it('need no read-only cover there: the engine cannot make it, and no process of the box can change the place', () => {
    const covers = (closed: string[]): string[] =>
      stepsOf(plan({policy: OWN, call: {closed}}), 'mount.readonly')
        .map(({destination}) => destination)
        .filter((destination) => destination.startsWith('/srv'));
    expect([covers([]), covers(['/srv/users'])]).to.deep.equal([['/srv/users/1001'], []]);
  });

  it('do not count in a private directory, which the engine makes', () => {
    const made = plan({job: {workDirectory: '/tmp/closed/work'}, call: {closed: ['/tmp/closed']}});
    expect([...bound(made), ...inner(made)]).to.deep.equal([]);
  });

  it('lie in what may be written to as in what may not', () => {
    const parts = {
      job: {workDirectory: '/data', writable: ['/data/closed/more']},
      call: {closed: ['/data/closed']},
      policy: {writable: ['/data']},
    };
    expect(bound(plan(parts))).to.deep.equal(['rw /data/closed {box}/closed-0 /data/closed']);
  });
});

describe('paths through links', () => {
  it('are mounted where they lead, but for what is private', () => {
    const real = {'/link/work': '/data/work', '/link/tare': '/srv/tare', '/tmp/link': '/data/other'};
    const made = plan({
      policy: {directories: {state: '/link/tare'}, writable: ['/tmp']},
      job: {workDirectory: '/link/work', writable: ['/tmp/link']},
      call: {real},
    });
    expect(binds(made)).to.include.members(['rw /data/work', 'rw /tmp/link']);
    expect(stepsOf(made, 'mount.tmpfs').map(({destination}) => destination)).to.include('/srv/tare');
    expect(stepOf(made, 'payload.execute')?.workDirectory).to.equal('/link/work');
  });

  it('do not make what is never writable so', () => {
    const made = plan({job: {workDirectory: '/link'}, call: {real: {'/link': '/var'}}});
    expect(binds(made).filter((one) => /\/(?:link|var)$/.test(one))).to.deep.equal([]);
  });
});

describe('what is not in the box', () => {
  it('is said of what a private directory hides, and of nothing else', () => {
    const boxed = plan({job: {workDirectory: '/tmp/work'}});
    expect(whyNotInBox(boxed, '/var/tmp/x')).to.match(/^\/var\/tmp is private in the box: /);
    for (const path of ['/tmp/work/x', '/usr/bin/x']) expect(whyNotInBox(boxed, path)).to.equal(null);
    expect(whyNotInBox(plan({facts: {namespaces: {...facts().namespaces, user: no}}}), '/tmp/x')).to.equal(null);
  });
});
