/**
 * A `seccomp` object of the OCI runtime specification to the program that seccomp(2) loads: classic BPF over struct seccomp_data. Pure.
 * Of a processor's ABIs each has its own numbers: 64 bits, and the 32 bits that the same kernel runs. x32 does not exist (ENOSYS).
 */

import {TareError} from '../errors.js';
import type {SeccompArgument, SeccompProfile, SeccompRule} from './seccomp.js';
import {systemCallNumber, type Abi} from './system-calls.js';

/** Processors that have a filter, by Node.js's names. */
export type Processor = 'x64' | 'arm64';

interface Kind {
  abi: Abi;
  /** AUDIT_ARCH_* of linux/audit.h. */
  token: number;
  /** As libseccomp calls it. */
  name: string;
}

const KINDS: Readonly<Record<Processor, readonly Kind[]>> = {
  x64: [
    {abi: 'x86_64', token: 0xc000_003e, name: 'SCMP_ARCH_X86_64'},
    {abi: 'i386', token: 0x4000_0003, name: 'SCMP_ARCH_X86'},
  ],
  arm64: [
    {abi: 'aarch64', token: 0xc000_00b7, name: 'SCMP_ARCH_AARCH64'},
    {abi: 'arm', token: 0x4000_0028, name: 'SCMP_ARCH_ARM'},
  ],
};

/** Whether filters can be made for a processor, by Node.js's name for it. */
export const isProcessor = (name: string): name is Processor => name in KINDS;

/** Architectures for an OCI runtime: a process of another one is killed at its first system call. */
export const architecturesOf = (processor: Processor): string[] => [
  ...KINDS[processor].map(({name}) => name),
  ...(processor === 'x64' ? ['SCMP_ARCH_X32'] : []),
];

/** linux/bpf_common.h. Jumps are relative to the next instruction. */
export interface Instruction {
  code: number;
  jt: number;
  jf: number;
  k: number;
}

/** Operation codes of classic BPF that filters consist of (linux/bpf_common.h). */
export const BPF = {LOAD: 0x20, AND: 0x54, JUMP: 0x05, EQUAL: 0x15, GREATER: 0x25, AT_LEAST: 0x35, RETURN: 0x06} as const;
/** struct seccomp_data; the lower half of an argument comes first, on both processors. */
export const OFFSET = {nr: 0, arch: 4, argument: 16} as const;
/** linux/seccomp.h */
const ALLOW = 0x7fff_0000;
const ERRNO = 0x0005_0000;
const ACTIONS: Readonly<Record<string, number>> = {
  SCMP_ACT_KILL_PROCESS: 0x8000_0000,
  SCMP_ACT_KILL: 0,
  SCMP_ACT_KILL_THREAD: 0,
  SCMP_ACT_TRAP: 0x0003_0000,
  SCMP_ACT_ERRNO: ERRNO,
  SCMP_ACT_LOG: 0x7ffc_0000,
  SCMP_ACT_ALLOW: ALLOW,
};
const EPERM = 1;
const ENOSYS = 38;
const ERRNO_MAX = 4095;
const X32 = 0x4000_0000;
/** What a tracer that skips a call leaves of its number. */
const SKIPPED = 0xffff_ffff;
/** Conditional jumps reach so far. */
const REACH = 255;
/** Comparisons of one rule: five instructions each, which a jump has to reach over. */
const MOST_ARGUMENTS = 32;
/** BPF_MAXINSNS of linux/bpf_common.h. */
const MOST = 4096;

const load = (k: number): Instruction => ({code: BPF.LOAD, jt: 0, jf: 0, k});
const end = (k: number): Instruction => ({code: BPF.RETURN, jt: 0, jf: 0, k});
const jump = (code: number, k: number, jt: number, jf: number): Instruction => ({code, jt, jf, k});

/** One instruction that goes on with `then` where the comparison holds, else with `otherwise`. */
function branch(code: number, k: number, then: readonly Instruction[], otherwise: readonly Instruction[]): Instruction[] {
  if (otherwise.length <= REACH) return [jump(code, k, otherwise.length, 0), ...otherwise, ...then];
  return [jump(code, k, 0, 1), jump(BPF.JUMP, otherwise.length, 0, 0), ...otherwise, ...then];
}

/** @throws TareError ENGINE_FAILED for what no such program can say, or what is not in the specification */
export function compile(profile: SeccompProfile, processor: Processor): Instruction[] {
  const [native, narrow] = KINDS[processor].map(({abi, token}) => ({token, code: ofAbi(profile, abi)}));
  if (native === undefined || narrow === undefined) throw wrong('ABIs', processor, 'two');
  const other = branch(BPF.EQUAL, narrow.token, narrow.code, [end(ERRNO | ENOSYS)]);
  const program = [load(OFFSET.arch), ...branch(BPF.EQUAL, native.token, native.code, other)];
  if (program.length > MOST) throw wrong('the length of its program', `${String(program.length)} instructions`, `at most ${String(MOST)}`);
  return program;
}

/** The program in the shim's format (native/filter.h). */
export const filterText = (program: readonly Instruction[]): string =>
  program.map(({code, jt, jf, k}) => hex(code, 4) + hex(jt, 2) + hex(jf, 2) + hex(k, 8)).join('');

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');

interface Span {
  first: number;
  code: Instruction[];
}

function ofAbi(profile: SeccompProfile, abi: Abi): Instruction[] {
  const otherwise = actionOf('defaultAction', profile.defaultAction, profile.defaultErrnoRet);
  const rules = new Map<number, SeccompRule[]>();
  for (const rule of profile.syscalls ?? [])
    for (const name of rule.names) {
      const number = systemCallNumber(abi, name);
      if (number !== null) rules.set(number, [...(rules.get(number) ?? []), rule]);
    }
  const spans: Span[] = [{first: 0, code: [end(otherwise)]}];
  const add = (first: number, code: Instruction[]): void => {
    const last = spans.at(-1);
    if (last?.first === first) spans.pop();
    const before = spans.at(-1);
    if (before === undefined || !isSame(before.code, code)) spans.push({first, code});
  };
  for (const [number, own] of [...rules].sort(([one], [two]) => one - two)) {
    add(number, codeOf(own, otherwise));
    add(number + 1, [end(otherwise)]);
  }
  if (abi === 'x86_64') add(X32, [end(ERRNO | ENOSYS)]);
  return [load(OFFSET.nr), ...branch(BPF.EQUAL, SKIPPED, [end(ALLOW)], search(spans))];
}

const isSame = (one: readonly Instruction[], two: readonly Instruction[]): boolean =>
  one.length === two.length &&
  one.every(({code, jt, jf, k}, at) => code === two[at]?.code && jt === two[at].jt && jf === two[at].jf && k === two[at].k);

/** A binary search: some eight comparisons for each call that the kernel does not remember as allowed (Linux 5.11). */
function search(spans: readonly Span[]): Instruction[] {
  const half = spans.length >> 1;
  const middle = spans[half];
  if (middle === undefined || half === 0) return spans[0]?.code ?? [];
  return branch(BPF.AT_LEAST, middle.first, search(spans.slice(half)), search(spans.slice(0, half)));
}

/** The first rule whose conditions hold counts. */
function codeOf(rules: readonly SeccompRule[], otherwise: number): Instruction[] {
  const [first, ...rest] = rules;
  if (first === undefined) return [end(otherwise)];
  const action = end(actionOf(first.names.join(' '), first.action, first.errnoRet));
  const {args = []} = first;
  if (args.length === 0) return [action];
  if (args.length > MOST_ARGUMENTS)
    throw wrong(`the arguments of ${first.names.join(' ')}`, String(args.length), `at most ${String(MOST_ARGUMENTS)}`);
  return args.reduceRight<Instruction[]>((then, argument) => conditional(argument, then), [action]).concat(codeOf(rest, otherwise));
}

/** `then` where the condition holds; else what follows. */
function conditional(argument: SeccompArgument, then: readonly Instruction[]): Instruction[] {
  const {index, op} = argument;
  if (!Number.isInteger(index) || index < 0 || index > 5) throw wrong('index', String(index), '0 to 5');
  const at = OFFSET.argument + 8 * index;
  const value = halves(argument.value);
  const wanted = halves(argument.valueTwo ?? 0);
  const out = then.length;
  // instructions before `then`; a jump to `out` (plus what is still before it) leaves
  switch (op) {
    case 'SCMP_CMP_MASKED_EQ': {
      const low = [load(at), {code: BPF.AND, jt: 0, jf: 0, k: value.low}, jump(BPF.EQUAL, wanted.low, 0, out), ...then];
      if (value.high === 0 && wanted.high === 0) return low;
      return [load(at + 4), {code: BPF.AND, jt: 0, jf: 0, k: value.high}, jump(BPF.EQUAL, wanted.high, 0, low.length), ...low];
    }
    case 'SCMP_CMP_EQ':
      return [load(at + 4), jump(BPF.EQUAL, value.high, 0, out + 2), load(at), jump(BPF.EQUAL, value.low, 0, out), ...then];
    case 'SCMP_CMP_NE':
      return [load(at + 4), jump(BPF.EQUAL, value.high, 0, 2), load(at), jump(BPF.EQUAL, value.low, out, 0), ...then];
    case 'SCMP_CMP_GT':
    case 'SCMP_CMP_GE': {
      const code = op === 'SCMP_CMP_GT' ? BPF.GREATER : BPF.AT_LEAST;
      const high = [load(at + 4), jump(BPF.GREATER, value.high, 3, 0), jump(BPF.EQUAL, value.high, 0, out + 2)];
      return [...high, load(at), jump(code, value.low, 0, out), ...then];
    }
    case 'SCMP_CMP_LT':
    case 'SCMP_CMP_LE': {
      const code = op === 'SCMP_CMP_LE' ? BPF.GREATER : BPF.AT_LEAST;
      const high = [load(at + 4), jump(BPF.GREATER, value.high, out + 3, 0), jump(BPF.EQUAL, value.high, 0, 2)];
      return [...high, load(at), jump(code, value.low, out, 0), ...then];
    }
    default:
      throw wrong('op', op, 'SCMP_CMP_EQ, _NE, _LT, _LE, _GT, _GE, _MASKED_EQ');
  }
}

/** A file's number of 64 bits may have lost its last digits in JavaScript. */
function halves(value: number): {high: number; low: number} {
  if (!Number.isInteger(value) || value < 0) throw wrong('value', String(value), 'a whole number');
  const all = BigInt.asUintN(64, value >= 2 ** 64 ? 2n ** 64n - 1n : BigInt(value));
  return {high: Number(all >> 32n), low: Number(all & 0xffff_ffffn)};
}

function actionOf(where: string, name: string, errno: number | undefined): number {
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) throw wrong(`the action of ${where}`, name, Object.keys(ACTIONS).join(', '));
  if (action !== ERRNO) return action;
  const number = errno ?? EPERM;
  if (!Number.isInteger(number) || number < 0 || number > ERRNO_MAX)
    throw wrong(`errnoRet of ${where}`, String(number), `0 to ${String(ERRNO_MAX)}`);
  return ERRNO | number;
}

const wrong = (what: string, found: string, allowed: string): TareError =>
  new TareError('ENGINE_FAILED', {message: `a filter on system calls cannot be made: ${what}`, found, allowed});
