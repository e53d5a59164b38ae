/**
 * Domains of libvirt: https://libvirt.org/formatdomain.html, and https://libvirt.org/drvlxc.html for containers (type lxc). Of virtual
 * machines (qemu, kvm) name, memory and CPUs are taken, and all else is left.
 */

import {Draft} from './draft.js';
import {refusePart, type Foreign, type Format} from './format.js';
import {readDevices} from './libvirt-devices.js';
import {invalid, leaveAttributes, MACHINE, reasonFor, type Domain} from './libvirt-domain.js';
import {readCputune, readMemory, readMemtune, readVcpu} from './libvirt-limits.js';
import {bootsSystem, BOOTS, MOST_ID, MOST_IDS, ONE_RANGE, SAME_RANGE, wholeNumber} from './values.js';
import {child, originOf, parseXml, rootName, shownOf, type Element} from './xml.js';

/** Types of domains that are read. */
const CONTAINERS = ['lxc'];
const MACHINES = ['qemu', 'kvm'];

/** Elements of a domain of which something is made; of several libvirt reads the first. */
const READ: Readonly<Record<string, (element: Element, domain: Domain) => void>> = {
  name: readName,
  memory: readMemory,
  memtune: readMemtune,
  vcpu: readVcpu,
  cputune: readCputune,
  os: readOs,
  idmap: readIdmap,
  features: readFeatures,
  devices: readDevices,
};

const DESCRIBES = 'it describes the domain for people and other programs, and changes nothing in it';
const LIBVIRT = 'it is a matter between libvirt and its domain';
const AFTER = 'a job ends with its payload, and is not started again';

/** Elements of which nothing is made, and why. */
const LEFT: Readonly<Record<string, string>> = {
  uuid: 'Tare gives each attempt an id of its own',
  hwuuid: MACHINE,
  genid: MACHINE,
  title: DESCRIBES,
  description: DESCRIBES,
  metadata: DESCRIBES,
  currentMemory: 'it is the memory of a balloon, and libvirt limits a container by memory',
  maxMemory: MACHINE,
  memoryBacking: MACHINE,
  numatune: 'Tare chooses no memory nodes: the batch system and the kernel do',
  blkiotune: 'Tare limits no disk I/O',
  resource: 'Tare makes its control groups where the batch system has put the job',
  sysinfo: MACHINE,
  bootloader: MACHINE,
  bootloader_args: MACHINE,
  iothreads: MACHINE,
  iothreadids: MACHINE,
  defaultiothread: MACHINE,
  vcpus: MACHINE,
  cpu: MACHINE,
  pm: MACHINE,
  perf: LIBVIRT,
  keywrap: MACHINE,
  launchSecurity: MACHINE,
  throttlegroups: MACHINE,
  on_poweroff: AFTER,
  on_reboot: AFTER,
  on_crash: AFTER,
  on_lockfailure: AFTER,
  clock: 'a box has the node’s clock',
  seclabel:
    'Tare sets no labels of SELinux or AppArmor: what a payload may do is in the policy (seccomp), and in Landlock where the node has it',
  'lxc:namespace': 'a box has namespaces of its own, and joins none of another container',
  'qemu:commandline': MACHINE,
  'qemu:capabilities': MACHINE,
  'qemu:override': MACHINE,
};

/** Domain XML of libvirt. */
export const LIBVIRT_FORMAT: Format = {
  name: 'libvirt',
  title: 'domain XML of libvirt (type lxc; of qemu and kvm name, memory and CPUs)',
  recognises: (text) => rootName(text) === 'domain',
  read: readDomain,
};

/** @throws TareError DOCUMENT_SYNTAX, DOCUMENT_INVALID, QUANTITY_INVALID with the place */
function readDomain(foreign: Foreign): Draft {
  refusePart(foreign);
  const {text, file} = foreign;
  const root = parseXml(text, file);
  const type = root.attributes.get('type');
  if (root.name !== 'domain') throw invalid('not a domain', root, '<domain type=…>', `<${root.name}>`);
  if (type === undefined || ![...CONTAINERS, ...MACHINES].includes(type))
    throw invalid('a type of domain that is not read', root, [...CONTAINERS, ...MACHINES].join(', '), type);
  const draft = new Draft();
  const domain: Domain = {draft, root, isContainer: CONTAINERS.includes(type)};
  leaveAttributes(root, ['type', 'xmlns:lxc', 'xmlns:qemu'], draft);
  const seen = new Set<string>();
  for (const element of root.children) {
    const read = Object.hasOwn(READ, element.name) ? READ[element.name] : undefined;
    if (read === undefined) draft.leave(shownOf(element), reasonFor(element.name, LEFT));
    else if (seen.has(element.name)) draft.leave(shownOf(element), 'libvirt reads the first of several');
    else read(element, domain);
    seen.add(element.name);
  }
  if (domain.isContainer && child(root, 'os') === undefined) throw invalid('os is missing', root, '<os> with <type>exe</type>');
  return draft;
}

function readName(element: Element, {draft}: Domain): void {
  if (/[\r\n]/.test(element.text)) throw invalid('a line end in the name of a domain', element, 'a name on one line', element.text);
  draft.field('name', element.text, originOf(element));
}

/** What is executed: https://libvirt.org/formatdomain.html#container-boot. */
function readOs(os: Element, domain: Domain): void {
  const {draft, isContainer} = domain;
  leaveAttributes(os, [], draft);
  const type = child(os, 'type');
  if (type === undefined) throw invalid('the type of the operating system is missing', os, isContainer ? 'exe' : 'hvm, linux');
  if (isContainer && type.text !== 'exe') throw invalid('a container executes a program', type, 'exe', type.text);
  if (!isContainer) {
    for (const element of os.children) draft.leave(shownOf(element), MACHINE);
    draft.leave(originOf(os), 'it boots a system, and names no program: give the payload as command');
    return;
  }
  leaveAttributes(type, [], draft);
  const init = child(os, 'init');
  const path = init?.text ?? '/sbin/init';
  const origin = init === undefined ? {at: os.at, as: '<os> without <init>'} : originOf(init);
  draft.field('command', [path, ...os.children.filter(({name}) => name === 'initarg').map(({content}) => content)], origin);
  if (bootsSystem(path)) draft.leave(origin, BOOTS);
  else draft.field('firstProcess', true, origin);
  for (const element of os.children) readOfOs(element, init, draft);
}

function readOfOs(element: Element, init: Element | undefined, draft: Draft): void {
  const {name, text, content} = element;
  const origin = originOf(element);
  if (name === 'type' || name === 'initarg') return;
  if (name === 'init') {
    if (element !== init) draft.leave(shownOf(element), 'libvirt reads the first of several');
  } else if (name === 'initenv') {
    const variable = element.attributes.get('name');
    if (variable === undefined) throw invalid('the name of a variable is missing', element, "<initenv name='NAME'>VALUE</initenv>");
    leaveAttributes(element, ['name'], draft);
    draft.variable(variable, content, {at: origin.at, as: `<initenv name='${variable}'>`});
  } else if (name === 'initdir') draft.field('workDirectory', text, origin);
  else if (name === 'inituser') proposeUser(text, element, draft);
  else if (name === 'initgroup') draft.leave(shownOf(element), 'a payload has the groups of its account');
  else draft.leave(shownOf(element), reasonFor(name, {idmap: LIBVIRT}));
}

/** The account of a payload: by name it is the policy's; a number names no account. */
function proposeUser(user: string, element: Element, draft: Draft): void {
  const id = user.replace(/^\+/, '');
  if (user === 'root' || id === '0') {
    draft.propose(['identity', 'allowRoot'], true, originOf(element), 'its program runs as root of the node, or of its idmap');
  } else if (/^\d+$/.test(id))
    draft.leave(shownOf(element), 'an account has to be named: the number is one of the container’s own accounts');
  else
    draft.propose(
      ['identity', 'user'],
      user,
      originOf(element),
      'its program runs as this account, where root calls Tare and the job is nobody’s',
    );
}

/** https://libvirt.org/formatdomain.html#container-boot: `start` in the container is `target` on the node. */
function readIdmap(idmap: Element, {draft}: Domain): void {
  const [first] = idmap.children.filter(({name}) => name === 'uid');
  const sameAs = (element: Element): boolean =>
    ['start', 'target', 'count'].every((name) => element.attributes.get(name) === first?.attributes.get(name));
  leaveAttributes(idmap, [], draft);
  for (const element of idmap.children) {
    if (element.name !== 'uid' && element.name !== 'gid') {
      draft.leave(shownOf(element), 'unknown to this reader');
      continue;
    }
    const [start, target, count] = ['start', 'target', 'count'].map((name) => idOf(element, name)) as [number, number, number];
    const usable = start === 0 && target >= 1000 && count >= 1000;
    if (element === first && usable) {
      const value = {start: target, count: Math.min(count, MOST_IDS)};
      draft.propose(
        ['identity', 'machineIds'],
        value,
        originOf(element),
        'its accounts are these ids of the node (small machines of root)',
      );
      if (count > MOST_IDS) draft.leave(shownOf(element), `a small machine has ${MOST_IDS} ids at the most`);
    } else draft.leave(shownOf(element), sameAs(element) && usable ? SAME_RANGE : ONE_RANGE);
  }
}

function idOf(element: Element, name: string): number {
  const value = element.attributes.get(name);
  if (value === undefined) throw invalid(`${name} is missing`, element, "<uid start='0' target='ID' count='N'/>");
  return wholeNumber(value, 'number of an id', element.at, MOST_ID);
}

function readFeatures(features: Element, {draft, isContainer}: Domain): void {
  leaveAttributes(features, [], draft);
  for (const element of features.children) {
    if (isContainer && element.name === 'privnet') draft.field('network', 'none', originOf(element));
    else if (isContainer && element.name === 'capabilities') readCapabilities(element, draft);
    else draft.leave(shownOf(element), isContainer ? 'unknown to this reader' : MACHINE);
  }
}

/** https://libvirt.org/drvlxc.html#capabilities */
function readCapabilities(capabilities: Element, draft: Draft): void {
  leaveAttributes(capabilities, [], draft);
  for (const element of capabilities.children) {
    const isOn = element.attributes.get('state') === 'on';
    if (element.name === 'sys_admin' && isOn) {
      const because = 'its program may make namespaces and mounts, which a payload may by this profile';
      draft.propose(['seccomp'], 'pilot', originOf(element), because);
    } else draft.leave(shownOf(element), isOn ? 'a payload has no capabilities, and gains none' : 'a payload has no capabilities anyway');
  }
}
