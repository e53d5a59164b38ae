#!/usr/bin/env node
/**
 * Captures the files that readFacts reads on this machine, as a tree for fixtures/hosts:
 *
 *   node --import=tsx scripts/capture-host.mjs DIRECTORY [--note TEXT] [--replace FROM=TO]... [--drop TEXT]...
 *
 * What is written is what was read, so a capture never lacks a file that the code asks for. The host's name, the boot id and
 * accounts other than the caller's are replaced; --replace changes any other name, in paths and texts; lines of mountinfo
 * and directories at the top that contain the TEXT of --drop are left out.
 */

import {existsSync, mkdirSync, readdirSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {parseArgs} from 'node:util';
import {factsFrom} from '../src/host/index.js';
import {spawnBriefly} from '../src/host/spawn.js';
import {realTree} from '../src/host/tree.js';
import {ENGINES} from '../src/plugins.js';

const {values, positionals} = parseArgs({
  allowPositionals: true,
  options: {
    note: {type: 'string', default: ''},
    replace: {type: 'string', multiple: true, default: []},
    drop: {type: 'string', multiple: true, default: []},
    scratch: {type: 'string', default: '/var/tmp'},
  },
});
const [directory] = positionals;
if (directory === undefined) fail('name the directory that is to be made');
if (existsSync(directory) && readdirSync(directory).length > 0) fail(`${directory} is not empty`);

const caller = {uid: process.getuid(), gid: process.getgid(), groups: process.getgroups()};
const REPLACED = {
  '/proc/sys/kernel/hostname': 'wn001\n',
  '/proc/sys/kernel/random/boot_id': '00000000-0000-4000-8000-000000000001\n',
};
/** Lines that stay. */
const KEPT = {
  '/etc/passwd': new RegExp(`^[^:]*:[^:]*:${caller.uid}:`),
  '/proc/self/status': /^(Uid|Gid|Groups|Cap\w+|NoNewPrivs|Seccomp|Cpus_allowed_list):/,
  '/proc/cpuinfo': /^(processor|model name)\s/,
  '/proc/meminfo': /^(MemTotal|MemFree|MemAvailable|SwapTotal|SwapFree):/,
};
const real = realTree('/');
const seen = {texts: new Map(), directories: new Set(), entries: new Map(), writable: new Set(), programs: new Map(), free: new Map()};
const versions = new Map();

factsFrom(recording(real), {
  engines: ENGINES,
  caller,
  scratchDirectory: values.scratch,
  pinned: [],
  spawn: (path, args) => {
    const output = spawnBriefly(path, args);
    for (const {program} of ENGINES.filter((engine) => engine.program.places.includes(path)))
      versions.set(path, program.version.pattern.exec(output ?? '')?.[1] ?? null);
    return output;
  },
});

const replacements = [
  [real.text('/proc/sys/kernel/hostname')?.trim() ?? '', 'wn001'],
  ...values.replace.map((rule) => rule.split(/=(.*)/s).slice(0, 2)),
].filter(([from]) => from !== '');
for (const [path, text] of seen.texts) writeBelow(scrub(path), scrubText(path, text));
writeBelow('/.access.json', `${JSON.stringify(access(), null, 1)}\n`);

function recording(tree) {
  const remember = (path, text) => {
    if (text !== null) seen.texts.set(path, text);
    return text;
  };
  return {
    text: (path) => remember(path, tree.text(path)),
    head: (path) => remember(path, tree.head(path)),
    exists: (path) => {
      const there = tree.exists(path);
      if (there) note(path, tree);
      return there;
    },
    entries: (path, wanted) => {
      const found = tree.entries(path, wanted);
      for (const {name, kind} of found)
        entry(path, kind === 'directory' ? `${name}/` : kind === 'link' ? `${name} -> ${tree.link(join(path, name))}` : name);
      return found;
    },
    link: (path) => {
      const target = tree.link(path);
      if (target !== null) entry(dirname(path), `${path.slice(path.lastIndexOf('/') + 1)} -> ${target}`);
      return target;
    },
    writable: (path) => {
      const may = tree.writable(path);
      if (may) seen.writable.add(path);
      return may;
    },
    program: (path) => {
      const program = tree.program(path);
      if (program !== null) seen.programs.set(path, program);
      return program;
    },
    owner: (path) => tree.owner(path),
    freeBytes: (path) => {
      const bytes = tree.freeBytes(path);
      if (bytes !== null) seen.free.set(path, bytes);
      return bytes;
    },
  };
}

/** A file or directory that was only asked for. */
function note(path, tree) {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const [found] = tree.entries(dirname(path), (each) => each.name === name);
  if (found !== undefined) entry(dirname(path), found.kind === 'directory' ? `${name}/` : name);
}

function entry(path, line) {
  if (!seen.entries.has(path)) seen.entries.set(path, new Set());
  seen.entries.get(path).add(line);
}

function access() {
  const top = (line) => !values.drop.some((text) => line.includes(text));
  const entries = {};
  for (const [path, lines] of [...seen.entries].sort()) {
    entries[scrub(path)] = [...lines]
      .filter((line) => path !== '/' || top(line))
      .filter((line) => !seen.texts.has(join(path, line)))
      .map((line) => scrub(line).replace(/^(\w+ -> \w+):\[\d+\]$/, '$1:[1]'))
      .sort();
  }
  return {
    note: values.note || `captured on kernel ${real.text('/proc/sys/kernel/osrelease')?.trim()} as uid ${caller.uid}`,
    caller,
    writable: [...seen.writable].map(scrub).sort(),
    entries: Object.fromEntries(Object.entries(entries).filter(([, lines]) => lines.length > 0)),
    programs: Object.fromEntries(
      [...seen.programs].map(([path, {mode, uid}]) => [path, {mode: mode.toString(8), uid, version: versions.get(path) ?? null}]),
    ),
    freeBytes: Object.fromEntries([...seen.free].map(([path]) => [path, 100_000_000_000])),
  };
}

function scrub(text) {
  return replacements.reduce((result, [from, to]) => result.replaceAll(from, to), text);
}

/** Only what is read of files that say more than is ours to publish. */
function scrubText(path, text) {
  const linesThat = (are) => `${text.split('\n').filter(are).join('\n')}\n`;
  if (path in REPLACED) return REPLACED[path];
  if (path in KEPT) return linesThat((line) => KEPT[path].test(line));
  if (path === '/proc/self/mountinfo')
    return scrub(linesThat((line) => line !== '' && !values.drop.some((dropped) => line.includes(dropped))));
  // Pids mean nothing elsewhere; that there are some does.
  return path.endsWith('/cgroup.procs') ? text.replace(/^\d+$/gm, '1') : scrub(text);
}

function writeBelow(path, text) {
  const file = join(directory, path);
  mkdirSync(dirname(file), {recursive: true});
  writeFileSync(file, text);
}

function fail(message) {
  process.stderr.write(`capture-host: ${message}\n`);
  process.exit(64);
}
