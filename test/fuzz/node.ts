/**
 * What the kernel, the shim, another program of Tare and other users' files say. The first byte selects the parser of the rest, where there are several.
 */
import {parseIoStat, parseServiceBytes} from '../../src/cgroup/io.js';
import {parseKernelLog} from '../../src/cgroup/kernel-log.js';
import {parseCount, parseKeyed} from '../../src/cgroup/keyed.js';
import {parsePressure} from '../../src/cgroup/pressure.js';
import {readAnswer} from '../../src/cvmfs/answer.js';
import {parseCpuList} from '../../src/host/cpu.js';
import {coresLimit, hasOtherV2Limit, memoryLimit, processesLimit, v1HierarchicalLimit} from '../../src/host/group-limits.js';
import {findHierarchies} from '../../src/host/hierarchy.js';
import {parseRelease} from '../../src/host/kernel.js';
import {readMemory} from '../../src/host/memory.js';
import {mountOf, parseMountinfo} from '../../src/host/mountinfo.js';
import {isFilesFirst, parseRow, remoteSources} from '../../src/host/passwd.js';
import {readStatus} from '../../src/host/status.js';
import {readSubordinate} from '../../src/host/subordinate.js';
import type {Tree} from '../../src/host/tree.js';
import {readWithin} from '../../src/host/within.js';
import {viewOf} from '../../src/live/box-view.js';
import {groupsOf} from '../../src/live/live.js';
import {formatReport, parseReports} from '../../src/node-state/report.js';
import {encodeFrame, FrameReader} from '../../src/process/channel.js';
import {parseHello} from '../../src/process/hello.js';
import {decodeShimToSupervisor, encodeShimToSupervisor} from '../../src/schema/generated/protocol.js';
import {splitStat} from '../../src/process/process.js';
import {renderSweep} from '../../src/report/sweep.js';
import {parseSwept} from '../../src/sweep/node.js';
import {amounts, holds, refusing, type Target} from './target.js';

/** Whatever is read has the same text. */
const treeOf = (text: string): Tree => ({
  text: () => text,
  head: () => text,
  exists: () => true,
  isDirectory: () => true,
  entries: () => [],
  link: () => text,
  readable: () => true,
  writable: () => true,
  program: () => null,
  owner: () => 0,
  freeBytes: () => 0,
});

const READERS: Readonly<Record<string, (text: string) => void>> = {
  m: (text) => {
    const mounts = parseMountinfo(text);
    mountOf(mounts, '/a/b');
    findHierarchies(treeOf(text), mounts);
  },
  c: (text) => {
    for (const cpu of parseCpuList(text)) holds(cpu < 65_536, 'a kernel has that CPU');
  },
  k: (text) => {
    // the kernel's numbers have 64 bits, and only the kernel writes these files
    if (/\d{21}/.test(text)) return;
    amounts([...parseKeyed(text).values(), parseCount(text), parsePressure(text), parseIoStat(text), parseServiceBytes(text)]);
    amounts(readMemory(treeOf(text)));
  },
  l: (text) => {
    for (const {line} of parseKernelLog(text, 'abc')) holds(!line.includes('\n'), 'a line of the log is one');
  },
  s: (text) => readStatus(treeOf(text)),
  p: (text) => {
    amounts(parseRow(text)?.uid);
    isFilesFirst(text);
    remoteSources(text);
  },
  r: (text) => parseRelease(text),
  // a process chooses its name
  t: (text) => holds(splitStat(`7 (${text}) S 1 2 3`).join(' ') === 'S 1 2 3', 'a name is no field'),
  i: (text) => {
    for (const uid of [1000, 0]) {
      const {uids, gids} = readSubordinate(treeOf(text), {uid, gid: 1, name: 'alice', home: null, groups: []});
      amounts([uids, gids]);
      holds(uids.count <= 65_536 && (uids.count === 0) === (uids.start === 0), 'a range of ids is one');
    }
  },
  g: (text) => {
    const tree = treeOf(text);
    for (const version of [1, 2] as const) amounts([memoryLimit(tree, '/g', version), coresLimit(tree, '/g', version)]);
    amounts([v1HierarchicalLimit(tree, '/g'), processesLimit(tree, '/g')]);
    hasOtherV2Limit(tree, '/g');
  },
  w: (text) => {
    const mounts = parseMountinfo('1 0 0:1 / /dev/tare ro - tmpfs tmpfs rw');
    const within = readWithin(treeOf(text), mounts, [], undefined);
    holds(within !== null && (within.recordId === null || typeof within.recordId === 'string'), 'a box around has an id or none');
  },
};

async function frames(input: Buffer): Promise<void> {
  const read = (piece: number) =>
    refusing(() => {
      const reader = new FrameReader();
      const all = [];
      for (let at = 0; at < input.length; at += piece) all.push(...reader.push(input.subarray(at, at + piece)));
      return all;
    }, Error);
  const [whole, pieces] = [await read(input.length || 1), await read(7)];
  holds(JSON.stringify(whole) === JSON.stringify(pieces), 'frames are the same in pieces');
  for (const {tag, strings} of whole ?? []) {
    if (tag > '\x7f') continue; // nobody's: a tag is written as text
    const [again] = new FrameReader().push(encodeFrame({tag, strings}));
    holds(JSON.stringify(again?.strings) === JSON.stringify(strings), 'a frame is the same when it is written and read');
    const told = await refusing(() => decodeShimToSupervisor({tag, strings}), Error);
    if (told == null || told.name === 'unknown') continue;
    const same = decodeShimToSupervisor(encodeShimToSupervisor(told));
    holds(JSON.stringify(same) === JSON.stringify(told), 'what the shim says is the same when it is written and read');
    await refusing(() => parseHello(told), Error);
  }
}

function report(input: Buffer): void {
  for (const one of parseReports(input.toString('utf8'), 0, 1_000_000)) {
    const [again] = parseReports(formatReport(one, one.epochMs), 0, 1_000_000);
    holds(JSON.stringify(again) === JSON.stringify(one), `a report is the same when it is written and read: ${JSON.stringify(one)}`);
  }
}

function box(input: Buffer): void {
  let state: unknown;
  try {
    state = JSON.parse(input.toString('utf8'));
  } catch {
    return;
  }
  const seen = viewOf(state, {id: 'abc', uid: 1, directory: '/x'});
  amounts([seen.cores, seen.memoryLimitBytes, seen.graceUs]);
  for (const text of [seen.name, seen.user, seen.hostname, ...seen.addresses])
    holds(text === null || typeof text === 'string', 'a name is a text');
  groupsOf({...seen, uid: -2});
}

/** Another user's sweep, which root has started. */
function swept(input: Buffer): void {
  const said = parseSwept(input.toString('utf8'), 1000);
  holds(
    said.every(({uid}) => uid === 1000),
    'what a user says is of that user',
  );
  holds(renderSweep(said).split('\n').length === said.length + 1, 'each is one line');
}

export const NODE: Target[] = [
  {
    name: 'node',
    words: [' - cgroup2 ', '0-3', 'some avg10=0.00', 'total=', 'CapEff:\t', 'oom_memcg=', 'rbytes='],
    run: (input) => READERS[String.fromCharCode(input[0] ?? 0)]?.(input.toString('utf8', 1)),
  },
  {name: 'hello', words: ['H', 'fresh\0', '\x05\0\0\0', '=\0'], run: frames},
  {
    name: 'answer',
    words: ['user.', 'epoch\t', '\t', 'user.__proto__\t'],
    run: (input) => {
      const {attributes, epochUs, us} = readAnswer(input.toString('utf8'));
      amounts([epochUs, us]);
      holds(
        Object.values(attributes).every((value) => typeof value === 'string'),
        'an attribute is a text',
      );
    },
  },
  {name: 'report', words: ['failed', 'started', ' ', '1000000'], run: report},
  {name: 'swept', words: ['"result":"left"', '"message":"', '"recordId":', '},{', '[', ']'], run: swept},
  {name: 'box', words: ['"started":', '"plan":', '"steps":', 'null', '[]', '-1'], run: box},
];
