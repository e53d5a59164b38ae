/** What people and programs write: descriptors, policies, plans, records, amounts, the command line. */
import {Parser} from '@oclif/core';
import {jobFlags, readJobFlags} from '../../src/commands/shared/job-flags.js';
import {BPF, compile, filterText} from '../../src/engine/bpf.js';
import {parseProfile} from '../../src/engine/seccomp.js';
import {TareError} from '../../src/errors.js';
import {parseMoment} from '../../src/export/filter.js';
import {verifyRecord} from '../../src/export/verify.js';
import {viewOf} from '../../src/export/view.js';
import {parseDocument, type Kind} from '../../src/job/document.js';
import {applyFlags} from '../../src/job/flags.js';
import {jobFromCommand, jobFromDocument} from '../../src/job/load.js';
import {formatBytes, formatDuration, parseCores, parseCount, parseDuration, parseNice, parseSize} from '../../src/job/quantity.js';
import {canonicalJson} from '../../src/plan/canonical.js';
import {formatAddress, networkOf, parseAddress} from '../../src/policy/addresses.js';
import {matchesGlob, matchesPathGlob} from '../../src/policy/glob.js';
import {policyFromDocuments} from '../../src/policy/load.js';
import {NO_PARTS, readPart, withPart} from '../../src/record/parts.js';
import type {UsageRecord} from '../../src/record/record.js';
import validateRecord from '../../src/schema/generated/record-2.validator.js';
import {holds, refusing, type Target} from './target.js';

const FILE = 'document.yaml';

/** What was accepted says the same when it is printed and read again. */
async function document(input: Buffer, kind: Kind): Promise<unknown> {
  const read = await refusing(() => parseDocument({text: input.toString('utf8'), file: FILE, kind}));
  if (read === undefined) return undefined;
  const printed = canonicalJson(read);
  const again = await parseDocument({text: printed, file: FILE, kind});
  holds(canonicalJson(again) === printed, 'a document is the same when it is printed and read');
  return read;
}

async function job(input: Buffer): Promise<void> {
  const read = (await document(input, 'job')) as Parameters<typeof jobFromDocument>[0] | undefined;
  if (read !== undefined) await refusing(() => jobFromDocument(read, {file: FILE, callerDirectory: '/work'}));
}

async function policy(input: Buffer): Promise<void> {
  const read = (await document(input, 'policy')) as Parameters<typeof policyFromDocuments>[0][number]['document'] | undefined;
  if (read !== undefined) await refusing(() => policyFromDocuments([{file: FILE, document: read}]));
}

async function record(input: Buffer): Promise<void> {
  const text = input.toString('utf8');
  const problems = verifyRecord(text, '5c1f0a2b-0000-5000-8000-000000000000', validateRecord);
  for (const problem of problems) holds(!/\p{Cc}/u.test(problem), `a problem is text: ${problem}`);
  const value = (await document(input, 'record')) as UsageRecord | undefined;
  if (value !== undefined) await refusing(() => viewOf(value), Error);
}

function part(input: Buffer): void {
  const read = readPart(input.toString('utf8'));
  if (read === null) return;
  const again = readPart(JSON.stringify(read));
  holds(JSON.stringify(again) === JSON.stringify(read), 'a part is the same when it is printed and read');
  const parts = withPart(withPart(NO_PARTS, read), {...read, state: 'started'});
  holds(parts.list.length + parts.others === 1, 'a part is counted once');
}

async function quantity(input: Buffer): Promise<void> {
  const text = input.toString('utf8');
  const bytes = await refusing(() => parseSize(text, FILE));
  if (bytes !== undefined) holds(typeof formatBytes(bytes) === 'string' && parseSize(bytes) === bytes, `a size is itself: ${text}`);
  const us = await refusing(() => parseDuration(text, FILE));
  if (us !== undefined) holds(Number.isSafeInteger(us) && us >= 0 && formatDuration(us) !== '', `a duration is an amount: ${text}`);
  await refusing(() => parseCores(text, FILE));
  await refusing(() => parseCount(text, FILE));
  const nice = await refusing(() => parseNice(text, FILE));
  if (nice !== undefined) holds(Number.isInteger(nice) && nice >= 0 && nice <= 19, `a nice value is one: ${text}`);
}

/** A pattern and what it is compared with; an address; a moment. */
async function words(input: Buffer): Promise<void> {
  const text = input.toString('utf8');
  const [pattern = '', name = ''] = text.split('\n');
  const [start = '', ...others] = pattern.split('*');
  if (matchesGlob(pattern, name))
    holds(name.startsWith(start) && others.every((part) => name.includes(part)), 'what a pattern has is in the name');
  holds(matchesGlob(pattern, pattern) && matchesGlob(`*${name}*`, `x${name}y`), 'a pattern matches itself');
  matchesPathGlob(pattern, name);
  const address = parseAddress(text);
  if (address !== null) {
    const again = parseAddress(formatAddress(address));
    holds(again?.family === address.family && again.value === address.value, `an address is itself: ${text}`);
    const {first, last} = networkOf(address, 24);
    holds(first <= address.value && address.value <= last, 'an address lies in its network');
  }
  const moment = await refusing(() => parseMoment(text, 1.8e15, '--since'));
  if (moment !== undefined) holds(Number.isFinite(moment), `a moment is one: ${text}`);
}

/** A site's filter on system calls: refused in words, or a program that the kernel can take and that ends. */
async function filter(input: Buffer): Promise<void> {
  const profile = await refusing(() => parseProfile(input.toString('utf8')), Error);
  if (profile === undefined) return;
  for (const processor of ['x64', 'arm64'] as const) {
    const program = await refusing(() => {
      try {
        return compile(profile, processor);
      } catch (error) {
        // as filter.ts does, which knows the file
        throw error instanceof TareError ? new TareError(error.code, {...error.details, where: FILE}) : error;
      }
    });
    holds(/^([0-9a-f]{16})*$/.test(filterText(program ?? [])), 'each instruction has 16 digits');
    for (const [at, {code, jt, jf, k}] of (program ?? []).entries()) {
      const next = code === BPF.RETURN ? [] : code === BPF.JUMP ? [at + 1 + k] : [at + 1 + jt, at + 1 + jf];
      holds(
        next.every((one) => one < (program ?? []).length),
        `an instruction is followed by one: ${String(at)}`,
      );
      holds(Math.max(jt, jf) <= 255, `a jump reaches where it should: ${String(at)}`);
    }
  }
}

/** One argument a line, as `tare run` gets them. */
async function argument(input: Buffer): Promise<void> {
  const argv = input.toString('utf8').split('\n');
  const dashes = argv.indexOf('--');
  const command = dashes < 0 ? ['true'] : argv.slice(dashes + 1);
  let flags: Parameters<typeof readJobFlags>[0];
  try {
    ({flags} = await Parser.parse(dashes < 0 ? argv : argv.slice(0, dashes), {flags: jobFlags, strict: false}));
  } catch (error) {
    holds(typeof (error as {oclif?: unknown}).oclif === 'object', `the parser refuses in its own words: ${String(error)}`);
    return;
  }
  await refusing(() => applyFlags(jobFromCommand(command, '/work'), readJobFlags(flags), '/work'));
}

const LIMITS = ['limits:', 'memory: 1GiB', 'wallTime: 1h', '  ', '- ', 'schema: tare/job/v1', 'applications:', 'command: [true]'];
export const DOCUMENTS: Target[] = [
  {name: 'job', words: LIMITS, run: job},
  {name: 'policy', words: [...LIMITS, 'schema: tare/policy/v1', 'rules:', 'match:', 'enforcement:', 'identity:'], run: policy},
  {name: 'filter', words: ['"defaultAction":', '"SCMP_ACT_', 'SCMP_CMP_', '"names":[', '"args":[', '"index":', '}, {'], run: filter},
  {name: 'plan', words: ['"schema":"tare/plan/v1"', '"steps":', '"kind":'], run: (input) => document(input, 'plan')},
  {name: 'record', words: ['"schema":"tare/record/v2"', '"schema":"tare/record/v1"', '"usage":', '"net":', '-1', 'null'], run: record},
  {name: 'part', words: ['"recordId":', '"state":"final"', '"limits":', 'null'], run: part},
  {name: 'quantity', words: ['GiB', 'kB', 'min', 'ms', '1.5', ' '], run: quantity},
  {name: 'words', words: ['*', '**', '::', ':0:', '1.2.3.4', 'T', 'Z', '+01:00', '7d'], run: words},
  {name: 'argument', words: ['--memory', '--cores=', '--', '-', '--no-pin-cores', '--wall-time'], run: argument},
];
