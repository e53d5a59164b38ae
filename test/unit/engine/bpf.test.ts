import {expect} from 'chai';
import {architecturesOf, BPF, compile, filterText, isProcessor, OFFSET, type Instruction, type Processor} from '../../../src/engine/bpf.js';
import {builtinProfile, parseProfile, wholeBoxProfile, type SeccompArgument, type SeccompProfile} from '../../../src/engine/seccomp.js';
import {ABIS, systemCallNumber, type Abi} from '../../../src/engine/system-calls.js';
import {PROCESSORS} from '../../../src/host/seccomp.js';
import {TareError} from '../../../src/errors.js';

const [EPERM, ENOSYS] = [1, 38];
const TOKENS: Readonly<Record<Abi, number>> = {x86_64: 0xc000_003e, i386: 0x4000_0003, aarch64: 0xc000_00b7, arm: 0x4000_0028};
const OF: Readonly<Record<Processor, readonly Abi[]>> = {x64: ['x86_64', 'i386'], arm64: ['aarch64', 'arm']};
/** linux/seccomp.h */
const ANSWERS: Readonly<Record<number, string>> = {
  0x7fff_0000: 'allow',
  0x7ffc_0000: 'log',
  0x0003_0000: 'trap',
  0x8000_0000: 'kill process',
  0: 'kill',
};

interface Call {
  token: number;
  nr: number;
  /** Null: none may be looked at. */
  args?: readonly bigint[] | null;
}

/** As the kernel runs it (Documentation/networking/filter.rst): 32 bits at a time, forwards only, and it has to end. */
function answer(program: readonly Instruction[], {token, nr, args = []}: Call): string {
  const word = (offset: number): number => {
    if (offset === OFFSET.nr) return nr;
    if (offset === OFFSET.arch) return token;
    if (args === null) throw new Error(`looks at ${String(offset)}`);
    const argument = BigInt.asUintN(64, args[(offset - OFFSET.argument) >> 3] ?? 0n);
    return Number((offset & 4) === 0 ? argument & 0xffff_ffffn : argument >> 32n);
  };
  let held = 0;
  for (let at = 0; ; at++) {
    const instruction = program[at];
    if (instruction === undefined) throw new Error(`runs out at ${String(at)}`);
    const {code, jt, jf, k} = instruction;
    const jump = (holds: boolean): void => {
      at += holds ? jt : jf;
    };
    switch (code) {
      case BPF.LOAD:
        held = word(k);
        break;
      case BPF.AND:
        held = (held & k) >>> 0;
        break;
      case BPF.JUMP:
        at += k;
        break;
      case BPF.EQUAL:
        jump(held === k);
        break;
      case BPF.GREATER:
        jump(held > k);
        break;
      case BPF.AT_LEAST:
        jump(held >= k);
        break;
      case BPF.RETURN:
        return ANSWERS[k] ?? (k >>> 16 === 5 ? String(k & 0xffff) : `? ${k.toString(16)}`);
      default:
        throw new Error(`no instruction: ${JSON.stringify(instruction)}`);
    }
  }
}

/** What a profile says, read rule by rule. */
function said(profile: SeccompProfile, abi: Abi, nr: number, args: readonly bigint[]): string {
  const holds = ({index, value, valueTwo = 0, op}: SeccompArgument): boolean => {
    const [found, wanted] = [BigInt.asUintN(64, args[index] ?? 0n), BigInt(value)];
    switch (op) {
      case 'SCMP_CMP_MASKED_EQ':
        return (found & wanted) === BigInt(valueTwo);
      case 'SCMP_CMP_EQ':
        return found === wanted;
      case 'SCMP_CMP_NE':
        return found !== wanted;
      case 'SCMP_CMP_GT':
        return found > wanted;
      case 'SCMP_CMP_GE':
        return found >= wanted;
      case 'SCMP_CMP_LT':
        return found < wanted;
      default:
        return found <= wanted;
    }
  };
  const rule = profile.syscalls?.find(
    (one) => one.names.some((name) => systemCallNumber(abi, name) === nr) && (one.args ?? []).every((argument) => holds(argument)),
  );
  const {action, errnoRet = EPERM} = rule ?? {action: profile.defaultAction, errnoRet: profile.defaultErrnoRet};
  return action === 'SCMP_ACT_ALLOW' ? 'allow' : action === 'SCMP_ACT_LOG' ? 'log' : String(errnoRet);
}

const HIGH = 1n << 32n;
/** First arguments that rules ask for, and what is beside them. */
const FIRST = [
  0n,
  1n,
  2n,
  3n,
  10n,
  16n,
  17n,
  18n,
  31n,
  38n,
  40n,
  40n + HIGH,
  63n,
  64n,
  0x80n,
  0x11n,
  0x1000_0000n,
  0x1000_0011n + HIGH,
  (1n << 64n) - 1n,
];
const SECOND = [0n, 0x5412n, 0x5413n, 0x541cn, 0x5412n + HIGH, 0x541cn + (HIGH << 5n)];
const THIRD = [0n, 1n, HIGH];

const OTHER: SeccompProfile = {
  defaultAction: 'SCMP_ACT_ERRNO',
  defaultErrnoRet: 7,
  syscalls: [
    {names: ['read', 'write', 'nobody knows it'], action: 'SCMP_ACT_ALLOW'},
    {
      names: ['socket'],
      action: 'SCMP_ACT_LOG',
      args: [
        {index: 0, value: 17, op: 'SCMP_CMP_GT'},
        {index: 0, value: 2 ** 32 + 40, op: 'SCMP_CMP_LT'},
      ],
    },
    {names: ['socket'], action: 'SCMP_ACT_ALLOW', args: [{index: 0, value: 3, op: 'SCMP_CMP_LE'}]},
    {names: ['socket'], action: 'SCMP_ACT_ERRNO', errnoRet: 9, args: [{index: 0, value: 2 ** 40, op: 'SCMP_CMP_GE'}]},
    {
      names: ['ioctl'],
      action: 'SCMP_ACT_ALLOW',
      args: [
        {index: 1, value: 0x5413, op: 'SCMP_CMP_EQ'},
        {index: 2, value: 1, op: 'SCMP_CMP_NE'},
      ],
    },
    {names: ['ioctl'], action: 'SCMP_ACT_ALLOW', args: [{index: 1, value: 2 ** 33 + 2 ** 37, valueTwo: 2 ** 37, op: 'SCMP_CMP_MASKED_EQ'}]},
    {names: ['getpid'], action: 'SCMP_ACT_ERRNO'},
  ],
};

describe('the filter on system calls, run as the kernel runs it', () => {
  const profiles: [about: string, profile: SeccompProfile][] = [
    ['default', builtinProfile('default', false)],
    ['pilot', builtinProfile('pilot', false)],
    ['default of a small machine', builtinProfile('default', true)],
    ['a site’s, which denies by default', OTHER],
    ['one without rules', {defaultAction: 'SCMP_ACT_LOG'}],
  ];
  for (const [about, profile] of profiles)
    for (const processor of ['x64', 'arm64'] as const)
      it(`${about}, ${processor}: says for every call what the profile says`, () => {
        const program = compile(profile, processor);
        expect(program.length).to.be.below(4096);
        const asks = (abi: Abi, nr: number): boolean =>
          (profile.syscalls ?? []).some(({names, args}) => args !== undefined && names.some((name) => systemCallNumber(abi, name) === nr));
        const check = (abi: Abi, nr: number, ...args: bigint[]): void => {
          const [found, wanted] = [answer(program, {token: TOKENS[abi], nr, args}), said(profile, abi, nr, args)];
          if (found !== wanted) expect(found, `${abi} ${String(nr)} ${args.join()}`).to.equal(wanted);
        };
        for (const abi of OF[processor])
          for (let nr = 0; nr < 520; nr++)
            if (!asks(abi, nr)) check(abi, nr, 1n, 2n, 3n);
            else for (const one of FIRST) for (const two of SECOND) for (const three of THIRD) check(abi, nr, one, two, three);
      });

  /** Answers of default and pilot. */
  const both = (abi: Abi, name: string, ...args: bigint[]): string[] =>
    (['default', 'pilot'] as const).map((profile) =>
      answer(compile(builtinProfile(profile, false), abi === 'aarch64' || abi === 'arm' ? 'arm64' : 'x64'), {
        ...{token: TOKENS[abi], args},
        nr: systemCallNumber(abi, name) ?? -1,
      }),
    );
  const DENIED = [String(EPERM), String(EPERM)];
  const LACKING = [String(ENOSYS), String(ENOSYS)];
  const OPEN = ['allow', 'allow'];
  const rows: [name: string, args: bigint[], answers: string[]][] = [
    ...['kexec_load', 'init_module', 'finit_module', 'bpf', 'userfaultfd', 'swapon'].map((name): (typeof rows)[0] => [name, [], DENIED]),
    ...['io_uring_setup', 'io_uring_enter', 'lookup_dcookie'].map((name): (typeof rows)[0] => [name, [], LACKING]),
    ...['ptrace', 'process_vm_readv', 'personality', 'mbind', 'sched_setaffinity', 'perf_event_open', 'keyctl', 'execve', 'read'].map(
      (name): (typeof rows)[0] => [name, [], OPEN],
    ),
    ...['mount', 'umount2', 'setns', 'pivot_root', 'fsopen', 'open_tree_attr'].map((name): (typeof rows)[0] => [
      name,
      [],
      [String(EPERM), 'allow'],
    ]),
    ['clone3', [], [String(ENOSYS), 'allow']],
    ['unshare', [0x1000_0000n], [String(EPERM), 'allow']],
    ['unshare', [0x400n], OPEN],
    ['clone', [0x7e02_0011n], [String(EPERM), 'allow']],
    ['clone', [0x3d_0f00n], OPEN], // a thread, as glibc makes it
    ['clone', [0x91n], OPEN], // 0x80 is of its signal there
    ['socket', [16n], OPEN],
    ['socket', [40n], DENIED],
    ['socket', [40n + HIGH], DENIED],
    ['socket', [2n + HIGH], OPEN],
    ['ioctl', [0n, 0x5412n + HIGH], DENIED],
    ['ioctl', [0n, 0x541cn], DENIED],
    ['ioctl', [0n, 0x5401n], OPEN],
    ['prlimit64', [5n, 7n, 1n], DENIED],
    ['prlimit64', [5n, 7n, HIGH], DENIED],
    ['prlimit64', [5n, 7n, 0n], OPEN],
    ['prlimit64', [0n, 7n, 1n], OPEN],
  ];
  for (const abi of ABIS)
    it(`${abi}: the rows of the documents`, () => {
      for (const [name, args, answers] of rows) expect(both(abi, name, ...args), `${name} ${args.join()}`).to.deep.equal(answers);
    });

  it('x32 does not exist, and a call that a tracer has skipped is let through', () => {
    const program = compile(builtinProfile('default', false), 'x64');
    const ask = (nr: number, token = TOKENS.x86_64): string => answer(program, {token, nr});
    expect([ask(0x4000_0000), ask(0x4000_0000 + 39), ask(0xffff_fffe)]).to.deep.equal([String(ENOSYS), String(ENOSYS), String(ENOSYS)]);
    expect([ask(0xffff_ffff), ask(0xffff_ffff, TOKENS.i386)]).to.deep.equal(['allow', 'allow']);
    expect(ask(39, 0xc000_0015)).to.equal(String(ENOSYS));
  });

  it('32-bit x86 makes no socket by the multiplexer, whose arguments no filter sees', () => {
    expect([both('i386', 'socketcall', 1n), both('i386', 'socketcall', 3n)]).to.deep.equal([DENIED, OPEN]);
  });

  it('the kernel can remember what is allowed whatever its arguments are (seccomp_is_const_allow, Linux 5.11): none is looked at', () => {
    const profile = builtinProfile('default', false);
    for (const processor of ['x64', 'arm64'] as const) {
      const program = compile(profile, processor);
      for (const abi of OF[processor]) {
        const named = new Set(profile.syscalls?.flatMap(({names}) => names.map((name) => systemCallNumber(abi, name))));
        const free = Array.from({length: 470}, (_, nr) => nr).filter((nr) => !named.has(nr));
        expect(free.length, abi).to.be.above(350);
        for (const nr of free) expect(answer(program, {token: TOKENS[abi], nr, args: null}), `${abi} ${String(nr)}`).to.equal('allow');
      }
    }
  });

  it('the loops of the search are short: a call costs some twenty instructions at the most', () => {
    const program = compile(builtinProfile('default', false), 'x64');
    const depth = (at: number): number => {
      const {code, jt, jf, k} = program[at] ?? {code: BPF.RETURN, jt: 0, jf: 0, k: 0};
      if (code === BPF.RETURN) return 1;
      if (code === BPF.JUMP) return 1 + depth(at + 1 + k);
      return 1 + Math.max(depth(at + 1 + jt), jt === jf ? 0 : depth(at + 1 + jf));
    };
    // the longest is socket's, with its families
    expect(depth(0)).to.be.below(60);
  });

  it('is written for the shim: 16 digits an instruction', () => {
    expect(filterText([{code: 0x15, jt: 1, jf: 255, k: 0xc000_003e}])).to.equal('001501ffc000003e');
    expect(filterText(compile(OTHER, 'x64'))).to.match(/^(?:[0-9a-f]{16})+$/);
  });

  it('is made for the processors that the facts name', () => {
    expect(PROCESSORS.filter(isProcessor)).to.deep.equal(PROCESSORS);
    expect(isProcessor('ppc64')).to.equal(false);
  });

  it('is a whole box’s for all conventions, without what process 1 needs', () => {
    expect(architecturesOf('x64')).to.deep.equal(['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32']);
    expect(wholeBoxProfile().syscalls).to.deep.equal(builtinProfile('pilot', true).syscalls);
  });

  const wrong: [what: string, profile: SeccompProfile, found: string][] = [
    ['action', {defaultAction: 'SCMP_ACT_NOTIFY'}, 'SCMP_ACT_NOTIFY'],
    ['action, of a name that all objects have', {defaultAction: 'constructor'}, 'constructor'],
    ['error', {defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 5000}, '5000'],
    [
      'comparison',
      {defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{names: ['read'], action: 'SCMP_ACT_TRAP', args: [{index: 0, value: 1, op: 'EQ'}]}]},
      'EQ',
    ],
    [
      'argument',
      {
        defaultAction: 'SCMP_ACT_ALLOW',
        syscalls: [{names: ['read'], action: 'SCMP_ACT_TRAP', args: [{index: 6, value: 1, op: 'SCMP_CMP_EQ'}]}],
      },
      '6',
    ],
    [
      'value',
      {
        defaultAction: 'SCMP_ACT_ALLOW',
        syscalls: [{names: ['read'], action: 'SCMP_ACT_TRAP', args: [{index: 0, value: -1, op: 'SCMP_CMP_EQ'}]}],
      },
      '-1',
    ],
  ];
  const FORMS: readonly [text: string, message: RegExp][] = [
    ['[]', /defaultAction/],
    ['{"defaultAction": 1}', /defaultAction/],
    ['{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": {}}', /syscalls is no list/],
    ['{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [null]}', /without an action/],
    ['{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_TRAP"}]}', /names is no list/],
    ['{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_TRAP", "names": [5]}]}', /no text/],
    ['{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_TRAP", "names": ["read"], "args": [1]}]}', /no object/],
  ];
  it('a site’s file of another form is no profile', () => {
    for (const [text, message] of FORMS) expect(() => parseProfile(text), text).to.throw(Error, message);
    expect(parseProfile('{"defaultAction": "SCMP_ACT_ALLOW", "architectures": []}')).to.have.property('defaultAction');
  });

  for (const [what, profile, found] of wrong)
    it(`an unknown ${what} is said, not left out`, () => {
      let error: unknown;
      try {
        compile(profile, 'x64');
      } catch (caught) {
        error = caught;
      }
      expect(error).to.be.instanceOf(TareError);
      expect((error as TareError).details.found).to.equal(found);
    });
});
