/** Plan to a domain of libvirt's LXC driver (formatdomain, drvlxc). */

import {COMMON, INNER, ONE_COMMAND, asFirst, differs, missing, type Expressed, type Note, type Tool} from './answers.js';
import {PERIOD_US, innerWords, limitOf, otherPrograms, pointsNeeded, prlimitWords, quotaUs, stayWritable, throughShell} from './common.js';
import type {Mount} from './mounts.js';
import type {Outline} from './outline.js';
import {wholeEnvironment} from './programs.js';
import {xmlHolds, xmlPart, xmlText} from './quote.js';

const byPrlimit = (text: string): ReturnType<typeof differs> => differs('prlimit(1) before the command', text);
const PRLIMIT = 'the box needs prlimit(1).';

/** libvirt's LXC driver: a domain that `virsh define` takes. */
export const LIBVIRT: Tool = {
  title: 'libvirt (LXC driver)',
  aspects: {
    ...COMMON,
    payload: differs('<init>, <initarg>', 'the streams are a console of the domain, and no open descriptor is passed on.'),
    status: missing('libvirt tells no exit status.'),
    environment: differs('<initenv>', 'the command has what the text names, and nothing else of the caller’s.'),
    account: differs('<inituser>, <initgroup>', 'it has one group.', ({account}) => account.groups.length > 1),
    privileges: differs('<inituser>', 'no_new_privs is not set, and a command of root keeps libvirt’s usual capabilities.'),
    filter: missing('libvirt loads no filter for a container.'),
    namespaces: differs('pid, mount, ipc, uts always', 'there is no user namespace of the box’s own.'),
    network: differs('<privnet/>', 'the box gets no address of its own.', ({network}) => network === 'own'),
    hostname: missing('a domain has no host name to choose.'),
    root: differs('<filesystem>', 'file systems in memory have mode 1777, and none is read-only.'),
    temporary: differs('<filesystem type="ram">', '/tmp and /var/tmp are in memory, and count as the job’s.'),
    kernelFiles: differs('libvirt’s own /proc and /sys', 'nothing below them is covered but /proc/sys.', ({system}) => system),
    devices: differs('libvirt’s own /dev', 'it has few devices, and is not read-only; others need <hostdev> in the text.'),
    view: missing('the files of the node or the image stay read-only.'),
    image: differs(
      '<filesystem> at /',
      'an archive is unpacked, and a file system in a file is mounted, by hand before.',
      ({root}) => root.kind === 'image' && root.tree === null,
    ),
    groups: differs(
      'a group of the domain',
      'it is not below the caller’s group; <resource><partition> names another place. libvirt 11.3 has no limit on processes, and knows groups of one version at a time.',
    ),
    oomScore: missing('a domain has no such value.'),
    first: asFirst('<init>'),
    applications: ONE_COMMAND,
  },
  limits: {
    ...INNER,
    openFiles: byPrlimit(PRLIMIT),
    coreSize: byPrlimit(PRLIMIT),
    cpuTime: byPrlimit(`it holds for each process by itself, not for all together; ${PRLIMIT}`),
    cores: differs('<cputune> quota', 'the driver does so with a cpu controller only.'),
    pinCores: differs('<vcpu cpuset>', 'the driver does so with a cpuset controller only.'),
    memory: differs('<memory>, <hard_limit>', 'the driver does so with a memory controller only.'),
    memoryHigh: missing('libvirt has no such limit: <soft_limit> is another one.'),
    swap: differs(
      '<swap_hard_limit>',
      'without a limit on memory, or where the kernel does not count swap for groups, none is written.',
      ({limits, countsSwap}) => limits.memory === null || !countsSwap,
    ),
    processes: missing('libvirt has no such limit.'),
    scratch: differs('usage of a <filesystem>', '/tmp and /var/tmp have the limit each, and an image has none.'),
  },
  express,
};

function express(outline: Outline): Expressed {
  const {name} = outline;
  const notes: Note[] = [...otherPrograms(outline), ...stayWritable(outline.mounts), ...pointsNeeded(outline.mounts), ...notesOf(outline)];
  const text = (value: string, about: string): string => {
    if (xmlHolds(value)) return xmlText(value);
    notes.push({about, text: `a text holds control characters, which XML cannot; they are taken out of ${JSON.stringify(value)}.`});
    return xmlText(xmlPart(value));
  };
  const lines = [
    '<domain type="lxc">',
    `  <name>${name}</name>`,
    ...resources(outline).map((line) => `  ${line}`),
    '  <os>',
    ...processElements(outline, text).map((line) => `    ${line}`),
    '  </os>',
    ...(outline.network === 'host' ? [] : ['  <features>', '    <privnet/>', '  </features>']),
    '  <devices>',
    ...filesystems(outline, text).map((line) => `    ${line}`),
    '    <console type="pty"/>',
    '  </devices>',
    '</domain>',
  ];
  return {
    use: [`put this text into ${name}.xml; virsh -c lxc:///system define ${name}.xml; virsh -c lxc:///system start ${name}`],
    body: {kind: 'xml', text: lines.join('\n')},
    notes,
  };
}

function notesOf(outline: Outline): Note[] {
  const {limits, mounts, root, programs} = outline;
  const devices = mounts.list.flatMap((mount) => (mount.kind === 'bind' && mount.device ? [mount.source] : []));
  return [
    ...(limitOf(outline, programs[0], 'memory') === null
      ? [{about: 'limit memory', text: `<memory> has to be there: ${UNLIMITED_WORDS} stands for none.`}]
      : []),
    ...(mounts.list.some((mount) => sizeOf(mount, limits.scratch) === null)
      ? [{about: 'mount.tmpfs', text: `a file system in memory has to have a size: ${UNSIZED_WORDS} stands for none.`}]
      : []),
    ...(devices.length === 0 ? [] : [{about: 'mount.bind', text: `devices are not in the box: ${devices.join(', ')}`}]),
    ...(root.kind === 'image' && root.tree === null
      ? [{about: 'image.take', text: `${root.path}.root stands for the directory in which the image’s files are.`}]
      : []),
  ];
}

const UNLIMITED_BYTES = 2 ** 40;
const UNLIMITED_WORDS = '1 TiB';
const UNSIZED_BYTES = 2 ** 30;
const UNSIZED_WORDS = '1 GiB';

function resources(outline: Outline): string[] {
  const {programs, limits, cpus, countsSwap} = outline;
  const memory = limitOf(outline, programs[0], 'memory');
  const cores = limitOf(outline, programs[0], 'cores');
  const bytes = (element: string, value: number): string => `<${element} unit="KiB">${String(Math.ceil(value / 1024))}</${element}>`;
  const swap =
    memory === null || limits.swap === null || !countsSwap
      ? []
      : [`  ${bytes('swap_hard_limit', memory + Math.max(limits.swap, PAGE_BYTES))}`];
  return [
    bytes('memory', memory ?? UNLIMITED_BYTES),
    ...(memory === null ? [] : ['<memtune>', `  ${bytes('hard_limit', memory)}`, ...swap, '</memtune>']),
    `<vcpu${cpus === null ? '' : ` cpuset="${cpus}"`}>${String(Math.max(1, Math.ceil(cores ?? 1)))}</vcpu>`,
    ...(cores === null
      ? []
      : ['<cputune>', `  <period>${String(PERIOD_US)}</period>`, `  <quota>${String(quotaUs(cores))}</quota>`, '</cputune>']),
  ];
}

const PAGE_BYTES = 4096;

type Text = (value: string, about: string) => string;

function processElements(outline: Outline, text: Text): string[] {
  const {programs, kept, changes, account} = outline;
  const [program] = programs;
  const whole = [...prlimitWords(outline), ...innerWords(outline), ...program.argv];
  // libvirt looks for no command: its init is a path
  const [init = '', ...words] = whole[0]?.startsWith('/') === true ? whole : throughShell(whole);
  return [
    '<type>exe</type>',
    `<init>${text(init, 'payload.execute')}</init>`,
    ...words.map((word) => `<initarg>${text(word, 'payload.execute')}</initarg>`),
    ...wholeEnvironment(kept, changes, program.changes).map(
      ({name, value}) => `<initenv name="${text(name, 'environment.set')}">${text(value, 'environment.set')}</initenv>`,
    ),
    `<initdir>${text(program.workDirectory, 'payload.execute')}</initdir>`,
    ...(account.uid === 0 ? [] : [`<inituser>${String(account.uid)}</inituser>`, `<initgroup>${String(account.gid)}</initgroup>`]),
  ];
}

/** The size of a file system in memory; null: it has none, undefined: it is another kind of mount. */
const sizeOf = (mount: Mount, scratch: number | null): number | null | undefined =>
  mount.kind === 'private' ? scratch : mount.kind === 'tmpfs' ? mount.bytes : undefined;

function filesystems({root, mounts, limits}: Outline, text: Text): string[] {
  const place = root.kind === 'node' ? '/' : (root.tree ?? `${root.path}.root`);
  const bound = (source: string, target: string, readOnly: boolean): string[] => [
    '<filesystem type="mount">',
    `  <source dir="${text(source, 'mount.bind')}"/>`,
    `  <target dir="${text(target, 'mount.bind')}"/>`,
    ...(readOnly ? ['  <readonly/>'] : []),
    '</filesystem>',
  ];
  return [
    ...bound(place, '/', root.kind === 'image' || !root.writable),
    ...mounts.list.flatMap((mount) => {
      if (mount.kind === 'bind') return mount.device ? [] : bound(mount.source, mount.destination, !mount.writable);
      const kib = Math.ceil((sizeOf(mount, limits.scratch) ?? UNSIZED_BYTES) / 1024);
      return [
        '<filesystem type="ram">',
        `  <source usage="${String(kib)}" units="KiB"/>`,
        `  <target dir="${text(mount.destination, 'mount.tmpfs')}"/>`,
        '</filesystem>',
      ];
    }),
  ];
}
