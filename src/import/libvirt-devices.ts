/** Devices of libvirt's domains: file systems, interfaces, devices of the node. https://libvirt.org/formatdomain.html#devices */

import {invalid, leaveAttributes, MACHINE, reasonFor, type Domain} from './libvirt-domain.js';
import {sizeOf} from './libvirt-limits.js';
import {proposeAddress, type Given} from './network.js';
import {plainPath} from './values.js';
import {child, originOf, shownOf, type Element} from './xml.js';

const TERMINAL = 'a payload has the caller’s standard input, output and error, or a terminal of the box’s own';
const CONTAINER: Readonly<Record<string, string>> = {
  emulator: 'it is libvirt’s own program',
  console: TERMINAL,
  serial: TERMINAL,
  parallel: TERMINAL,
  channel: TERMINAL,
  disk: 'a box has no disks: it has directories of the node',
  tpm: 'libvirt gives it to virtual machines, and a box has the devices that the policy lets in',
  lease: 'Tare takes no leases of storage',
};

/** Reads `devices`. @throws TareError DOCUMENT_INVALID, QUANTITY_INVALID with the place */
export function readDevices(devices: Element, domain: Domain): void {
  const {draft, isContainer} = domain;
  leaveAttributes(devices, [], draft);
  for (const element of devices.children) {
    if (!isContainer) draft.leave(shownOf(element), element.name === 'emulator' ? 'it is libvirt’s own program' : MACHINE);
    else if (element.name === 'filesystem') readFilesystem(element, domain);
    else if (element.name === 'interface') readInterface(element, domain);
    else if (element.name === 'hostdev') readHostdev(element, domain);
    else draft.leave(shownOf(element), reasonFor(element.name, CONTAINER));
  }
}

/** Directories that each box has for itself. */
const PRIVATE = ['/tmp', '/var/tmp'];
const NOT_MOUNTED: Readonly<Record<string, string>> = {
  template: 'it names a template of OpenVZ, and no directory',
  file: 'Tare mounts no disk images: unpack it, or make a squashfs file of it, and name that as image',
  block: 'Tare mounts no block devices: mount it on the node, and name the directory',
  volume: 'libvirt’s daemon knows where the volume is',
};

/** https://libvirt.org/formatdomain.html#filesystems */
function readFilesystem(element: Element, domain: Domain): void {
  const {draft} = domain;
  const type = element.attributes.get('type') ?? 'mount';
  const source = child(element, 'source');
  const target = child(element, 'target')?.attributes.get('dir');
  if (target === undefined) throw invalid('the target of a file system is missing', element, "<target dir='/PATH'/>");
  leaveAttributes(element, ['type'], draft);
  for (const each of element.children)
    if (!['source', 'target', 'readonly'].includes(each.name)) draft.leave(shownOf(each), reasonFor(each.name, FILESYSTEM));
  if (type === 'ram') readRam(element, source, target, domain);
  else if (type !== 'mount' && type !== 'bind') draft.leave(originOf(element, 'type'), reasonFor(type, NOT_MOUNTED));
  else {
    const from = source?.attributes.get('dir');
    if (from?.startsWith('/') !== true)
      throw invalid('the source of a file system is not an absolute path', element, "<source dir='/PATH'/>", from);
    mounted(element, {from: plainPath(from), to: plainPath(target), isReadOnly: child(element, 'readonly') !== undefined}, domain);
  }
}

const FILESYSTEM: Readonly<Record<string, string>> = {
  driver: 'Tare has no driver for it',
  space_hard_limit: 'Tare’s limit on disk is scratch, for what a job writes to /tmp, /var/tmp and a view',
  space_soft_limit: 'Tare’s limit on disk is scratch, for what a job writes to /tmp, /var/tmp and a view',
  alias: 'it is libvirt’s own name',
  address: MACHINE,
  idmap: 'files have the owners that they have on the node',
  binary: MACHINE,
};

/** A directory of the node that is seen somewhere in the container. */
interface Mounted {
  from: string;
  to: string;
  isReadOnly: boolean;
}

/** The root is an image; a directory under its own name is one to write to; anything else a box cannot have. */
function mounted(element: Element, {from, to, isReadOnly}: Mounted, {draft, root}: Domain): void {
  const origin = {at: element.at, as: `<filesystem> ${from} at ${to}`};
  if (to === '/' && from === '/') {
    draft.leave(origin, isReadOnly ? 'a box has the node’s files, read-only' : 'a box has the node’s files, but read-only');
  } else if (to === '/') {
    draft.field('image', from, origin);
    draft.propose(['images'], [from], origin, 'its root is this directory, which a job may have as image where the policy allows it');
    if (!isReadOnly) draft.leave(origin, 'what a job writes to its image is gone at its end: Tare changes no image');
  } else if (from !== to) draft.leave(origin, 'a box shows a directory of the node under its own name only');
  else if (!isReadOnly) draft.propose(['writable'], [from], origin, 'it writes to this directory; a job may name it in writable then');
  else
    draft.leave(
      origin,
      hasImage(root)
        ? 'a box with an image has no directory of the node that the job does not write to'
        : 'a box has the node’s files, read-only',
    );
}

const hasImage = (root: Element): boolean =>
  root.children.some(({name, children}) =>
    name === 'devices'
      ? children.some(
          (each) =>
            each.name === 'filesystem' &&
            child(each, 'target')?.attributes.get('dir') === '/' &&
            child(each, 'source')?.attributes.get('dir') !== '/',
        )
      : false,
  );

/** A file system in memory: of /tmp and /var/tmp the size is a limit on scratch. */
function readRam(element: Element, source: Element | undefined, target: string, {draft}: Domain): void {
  const usage = source?.attributes.get('usage');
  if (source === undefined || usage === undefined)
    throw invalid('the size of a file system in memory is missing', element, "<source usage='N' units='KiB'/>");
  const size = sizeOf(usage, source.attributes.get('units') ?? 'KiB', source);
  const to = plainPath(target);
  const origin = {at: element.at, as: `<filesystem type='ram'> at ${to}`};
  if (to === '/dev/shm') draft.leave(origin, 'a box has a /dev/shm of its own, whose pages are the payload’s memory');
  else if (!PRIVATE.includes(to)) draft.leave(origin, 'a box has private directories at /tmp and /var/tmp only');
  else if (size === null) draft.leave(origin, 'it stands for no limit');
  else {
    draft.limit('scratch', size, origin);
    draft.propose(
      ['scratch', 'inMemory'],
      true,
      origin,
      'it is in memory; a box has it there only where the policy says so, and a loop device cannot be used',
    );
  }
}

/** https://libvirt.org/formatdomain.html#network-interfaces */
function readInterface(element: Element, {draft}: Domain): void {
  const type = element.attributes.get('type') ?? '';
  const source = child(element, 'source');
  const origin = originOf(element, 'type');
  const given = (name: string, attribute: string): Given[] =>
    element.children.flatMap((each) => {
      const address = each.name === name ? each.attributes.get(attribute) : undefined;
      const prefix = name === 'ip' ? each.attributes.get('prefix') : undefined;
      return address === undefined ? [] : [{address, prefix, origin: originOf(each)}];
    });
  const kind = {bridge: 'bridge', network: 'bridge', direct: 'macvlan', user: 'user'} as const;
  for (const each of element.children)
    if (!['source', 'ip', 'route'].includes(each.name)) draft.leave(shownOf(each), reasonFor(each.name, INTERFACE));
  if (type !== 'bridge' && type !== 'network' && type !== 'direct' && type !== 'user') {
    draft.leave(
      {...origin, as: `<interface type='${type}'>`},
      'a box is connected by a bridge, by macvlan or in user mode (identity.address in the policy)',
    );
    return;
  }
  proposeAddress(
    {
      kind: kind[type],
      device: type === 'bridge' ? source?.attributes.get('bridge') : type === 'direct' ? source?.attributes.get('dev') : undefined,
      addresses: given('ip', 'address'),
      gateways: given('route', 'gateway'),
      origin: {...origin, as: `<interface type='${type}'>`},
    },
    draft,
  );
}

const INTERFACE: Readonly<Record<string, string>> = {
  mac: 'Tare makes a hardware address from the box’s id',
  target: 'Tare names the devices itself',
  guest: 'the device in a box is eth0',
  model: MACHINE,
  driver: MACHINE,
  link: 'a box’s device is up',
  mtu: 'a box’s device has the bridge’s MTU',
  bandwidth: 'Tare limits no network traffic',
  filterref: 'Tare has no filters for single boxes: reach in the pool says whether boxes reach each other',
  script: 'Tare runs no scripts of a description',
  alias: 'it is libvirt’s own name',
  address: MACHINE,
  virtualport: 'Tare connects boxes to bridges of Linux',
  vlan: 'Tare tags no packets: name a device of that VLAN in a pool of the policy',
  port: 'reach in a pool of the policy says whether boxes reach each other',
};

/** https://libvirt.org/formatdomain.html#block-character-devices: devices of the node that a container has. */
function readHostdev(element: Element, {draft}: Domain): void {
  const source = child(element, 'source');
  const mode = element.attributes.get('mode');
  const device = source?.children.find(({name}) => name === 'char' || name === 'block');
  if (mode !== 'capabilities') draft.leave(shownOf(element), 'a box has device files of the node, and no whole devices of a bus');
  else if (device === undefined) draft.leave(shownOf(element), 'a box gets no network device of the node');
  else {
    const because = device.name === 'block' ? 'it has this disk, with all that lies on it' : 'it has this device';
    draft.propose(['devices'], [device.text], {at: device.at, as: `<${device.name}>`}, because);
    for (const each of element.children) if (each !== source) draft.leave(shownOf(each), reasonFor(each.name, INTERFACE));
  }
}
