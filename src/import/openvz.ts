/**
 * OpenVZ: the configuration of a container, `/etc/vz/conf/CTID.conf`, and the samples of vzctl (ctid.conf(5), vzctl(8), vzubc(8)).
 * Such a container boots the init of its files, so it becomes a small machine; which init, and what is to run in it, no file says.
 */

import {Problems} from '../job/problems.js';
import {parseCores} from '../job/quantity.js';
import {show} from '../job/show.js';
import {suggest} from '../job/suggest.js';
import {notAn} from './decimal.js';
import {cpusOf} from './amounts.js';
import {Draft, type Limit} from './draft.js';
import {refusePart, type Foreign, type Format} from './format.js';
import {placeImage} from './image.js';
import {readPair, type Unit} from './openvz-amounts.js';
import {COUNTERS, LEFT} from './openvz-left.js';
import {readAddresses, readDevices, readNameservers} from './openvz-network.js';
import {readSettings, type Container, type Setting} from './openvz-settings.js';
import {placeDevice, placeHostname} from './places.js';
import {placeResources, UNSET_SWAP} from './resources.js';

/** A line that no other format has. */
const RECOGNISED =
  /^[ \t]*(VE_PRIVATE|VE_ROOT|OSTEMPLATE|ORIGIN_SAMPLE|PHYSPAGES|PRIVVMPAGES|KMEMSIZE|NUMPROC|CPUUNITS|DISKSPACE|DISKINODES)=("[^"\n]*"|[^\s"]*)[ \t\r]*$/m;
/** Characters in which such a line must come. */
const BEGINNING = 64 * 1024;

/** OpenVZ's container configuration. */
export const OPENVZ_FORMAT: Format = {
  name: 'openvz',
  title: 'OpenVZ container configuration (CTID.conf)',
  recognises: (text) => RECOGNISED.test(text.slice(0, BEGINNING)),
  read: readOpenvz,
};

type Reader = (setting: Setting, container: Container) => void;

/** Parameters that say something by themselves. */
const READERS: Readonly<Record<string, Reader>> = {
  NUMPROC: (setting, container) => {
    readLimit(setting, 'processes', 'items', container);
  },
  NAME: ({value, origin}, {draft}) => {
    if (value === '' || value.length > 255) draft.leave(origin, 'a job’s name has 1 to 255 characters');
    else draft.field('name', value, origin);
  },
  HOSTNAME: ({value, origin}, {draft}) => {
    if (value === '') draft.leave(origin, 'it is empty');
    else placeHostname(value, origin, draft);
  },
  DEVNODES: readDevnodes,
  IP_ADDRESS: readAddresses,
  NETIF: readDevices,
  NAMESERVER: readNameservers,
};
/** Parameters of which several together say one thing. */
const TOGETHER = ['PHYSPAGES', 'SWAPPAGES', 'PRIVVMPAGES', 'CPULIMIT', 'CPUS', 'CPUMASK', 'DISKSPACE', 'VE_PRIVATE'];

/** @throws TareError, TareErrors for lines and values that vzctl cannot read, with their places */
function readOpenvz(foreign: Foreign): Draft {
  refusePart(foreign);
  const {text, file} = foreign;
  const problems = new Problems();
  const draft = new Draft();
  const settings = new Map<string, Setting>();
  for (const setting of readSettings(text, file, problems)) {
    const before = settings.get(setting.name);
    const last = Object.hasOwn(COUNTERS, setting.name) || /^(PHYSPAGES|SWAPPAGES|PRIVVMPAGES|NUMPROC)$/.test(setting.name);
    const loser = before === undefined ? null : last ? before : setting;
    if (loser !== setting) settings.set(setting.name, setting);
    if (loser !== null) draft.leave(loser.origin, 'the parameter comes twice: of a beancounter vzctl takes the last, of others the first');
  }
  const container: Container = {draft, problems, settings};
  draft.field('pattern', 'vm-lite', {at: file, as: 'an OpenVZ container'});
  for (const setting of settings.values()) problems.attempt(() => readSetting(setting, container));
  problems.attempt(() => readMemory(container));
  readCores(container);
  problems.attempt(() => readMask(container));
  problems.attempt(() => readScratch(container));
  readPrivateArea(container, file);
  draft.leave(
    {at: file, as: '/sbin/init'},
    'it boots the init of its files, and the file does not say which: write `init` (systemd, sysvinit, openrc or busybox), and as `command` the payload, which runs beside it',
  );
  problems.throwIfAny();
  return draft;
}

function readSetting(setting: Setting, container: Container): void {
  const {name, value, at, origin} = setting;
  const {draft} = container;
  const read = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
  const counter = Object.hasOwn(COUNTERS, name) ? COUNTERS[name] : undefined;
  const because = Object.hasOwn(LEFT, name) ? LEFT[name] : undefined;
  if (read !== undefined) read(setting, container);
  else if (counter !== undefined) {
    readPair(value, counter.unit, at);
    draft.leave(origin, counter.because);
  } else if (because !== undefined) {
    if (name === 'DISKINODES') readPair(value, 'inodes', at);
    draft.leave(origin, because);
  } else if (!TOGETHER.includes(name)) {
    const near = suggest(name, [...Object.keys(READERS), ...Object.keys(COUNTERS), ...Object.keys(LEFT), ...TOGETHER]);
    draft.leave(origin, `vzctl knows no such parameter${near === null ? '' : `: did they mean ${near}?`}`);
  }
}

/** A limit that is the limit of a pair; null where there is none. @throws TareError for what is no such pair, or 0 */
function readLimit(setting: Setting, limit: Limit, unit: Unit, {draft}: Container): void {
  const {value, at, origin} = setting;
  const {limit: amount} = readPair(value, unit, at);
  if (amount === null) draft.leave(origin, 'it is unlimited, and a job without a limit has none of its own');
  else if (amount === 0 && limit !== 'swap') throw notAn(`limit on ${limit}`, value, '1 or more, or unlimited', at);
  else draft.limit(limit, amount, origin);
}

/** With VSwap the limit of PHYSPAGES is the memory; before, PHYSPAGES only counted and PRIVVMPAGES limited what was allocated. */
function readMemory(container: Container): void {
  const {draft, problems, settings} = container;
  const ram = settings.get('PHYSPAGES');
  const swap = settings.get('SWAPPAGES');
  const allocated = settings.get('PRIVVMPAGES');
  const hasVswap = ram !== undefined && problems.attempt(() => readPair(ram.value, 'pages', ram.at))?.limit != null;
  if (ram !== undefined && hasVswap) readLimit(ram, 'memory', 'pages', container);
  else if (ram !== undefined) draft.leave(ram.origin, 'it is unlimited, so it only counts: PRIVVMPAGES has the limit');
  if (swap !== undefined && hasVswap) problems.attempt(() => readLimit(swap, 'swap', 'pages', container));
  else if (swap !== undefined) draft.leave(swap.origin, 'without VSwap (a limit of PHYSPAGES) it is only shown, and limits nothing');
  if (allocated === undefined) return;
  if (hasVswap) {
    readPair(allocated.value, 'pages', allocated.at);
    draft.leave(allocated.origin, 'it limits what may be allocated; a job’s memory is what it uses, and PHYSPAGES limits that');
  } else readLimit(allocated, 'memory', 'pages', container);
}

/** The smaller of CPULIMIT (percent of one CPU; 0: none) and CPUS. */
function readCores({draft, problems, settings}: Container): void {
  const found = ['CPULIMIT', 'CPUS'].flatMap((name) => {
    const setting = settings.get(name);
    if (setting === undefined) return [];
    const {value, at, origin} = setting;
    const [, digits, share] = /^(\d{1,9})(%)?$/.exec(value) ?? [];
    if (digits === undefined || (share !== undefined && (name === 'CPUS' || Number(digits) > 100))) {
      problems.add(notAn(name === 'CPUS' ? 'number of CPUs' : 'percentage of a CPU', value, 'a whole number, 0 for none', at));
      return [];
    }
    if (share !== undefined) draft.leave(origin, 'with % it is a share of all CPUs of the node, and their number is not in the file');
    else if (Number(digits) === 0) draft.leave(origin, 'it is 0, which limits nothing');
    else {
      const cores = problems.attempt(() => parseCores(Number(digits) / (name === 'CPUS' ? 1 : 100), at));
      if (cores !== null) return [{cores, origin}];
    }
    return [];
  });
  const [first, ...others] = found.sort((a, b) => a.cores - b.cores);
  if (first !== undefined) draft.limit('cores', first.cores, first.origin);
  for (const {origin} of others) draft.leave(origin, `the smaller of the two counts: ${first?.origin.as ?? ''}`);
}

/** CPUs that the container is bound to. */
function readMask({draft, problems, settings}: Container): void {
  const setting = settings.get('CPUMASK');
  if (setting === undefined) return;
  const {value, at, origin} = setting;
  if (value === 'all' || value === 'auto') draft.leave(origin, 'it names no CPUs');
  else placeResources({cpuset: {value: cpusOf(value, at), origin, at}}, draft, problems, UNSET_SWAP.runtime);
}

/** Kilobytes, soft and hard. An image of ploop has one size, which is the first (vzctl(8), disk quota parameters). */
function readScratch({draft, settings}: Container): void {
  const setting = settings.get('DISKSPACE');
  if (setting === undefined) return;
  const {value, at, origin} = setting;
  const isPloop = (settings.get('VE_LAYOUT')?.value ?? '').startsWith('ploop');
  const written = isPloop ? (value.split(':')[0] ?? '') : value;
  const {limit} = readPair(written, 'kilobytes', at);
  if (limit === 0) throw notAn('size of a disk', value, 'SOFT:HARD in kilobytes, 1 or more', at);
  if (limit === null) draft.leave(origin, 'it is unlimited, and a job without a limit has none of its own');
  else if (settings.get('DISK_QUOTA')?.value === 'no' && !isPloop) draft.leave(origin, 'DISK_QUOTA is no, so it limits nothing');
  else draft.limit('scratch', limit, origin);
}

/** The private area is the image, where it is a directory tree. */
function readPrivateArea({draft, settings}: Container, file: string): void {
  const setting = settings.get('VE_PRIVATE');
  if (setting === undefined) {
    const because =
      'the file does not name the container’s files (vz.conf(5) does, such as /vz/private/CTID): write their directory as `image`';
    draft.leave({at: file, as: 'VE_PRIVATE'}, because);
    return;
  }
  const {value, origin} = setting;
  const number = settings.get('VEID')?.value ?? /(?:^|\/)(\d{1,10})\.conf$/.exec(file)?.[1] ?? null;
  const path = number === null ? value : value.replace(/\$VEID|\$\{VEID\}/, number);
  if ((settings.get('VE_LAYOUT')?.value ?? '').startsWith('ploop'))
    draft.leave(origin, 'it holds a disk image (layout ploop): copy the files out of it, and write their directory as `image`');
  else if (path.includes('$'))
    draft.leave(origin, 'the number of the container is not known, as the file is not called CTID.conf: write the directory as `image`');
  else placeImage(path, origin, draft);
}

/** `DEVICE:r|w|q… …`, DEVICE below /dev; `none` takes the access away. */
function readDevnodes({value, at, origin}: Setting, {draft, problems}: Container): void {
  const entries = value.split(/[\s,]+/).filter((one) => one !== '');
  for (const entry of entries) {
    const [, device, access] = /^(.+):([rwq]+|none)$/.exec(entry) ?? [];
    if (device === undefined)
      problems.invalid({message: 'no access to a device', where: at, found: show(entry), allowed: 'DEVICE:rwq or DEVICE:none'});
    else if (access === 'none') draft.leave(origin, 'a box has no device that the policy does not give it');
    else placeDevice(`/dev/${device}`, `/dev/${device}`, origin, draft);
  }
  if (entries.length === 0) draft.leave(origin, 'it is empty');
}
