/** A task to a domain of libvirt's LXC driver (libvirt's formatdomain and drvlxc). */

import type {EngineTask} from '@tare/contract';
import {bound, PLACE, type Part} from './parts.js';
import {xmlText} from './xml.js';

/** Limits are Tare's, and the box leaves libvirt's group: this one is for what libvirt's own processes have until then. */
const MEMORY_TIB = 1;
/** What init needs until it gives up root's rights; `<capabilities>` has their names in small letters and without `CAP_`. */
const CAPABILITIES = ['setgid', 'setpcap', 'setuid', 'sys_admin'];
/** libvirt binds the node's control groups there, so that root's processes could write to them. */
const GROUPS = '/sys/fs/cgroup';

/** The name of the domain. */
const nameOf = ({id}: Pick<EngineTask, 'id'>): string => `tare-${id}`;

/** What init does first and at last, whatever the steps are: libvirt calls the host as the domain. */
const leftBy = ({node: {hostname}}: EngineTask): Part[] => [{init: ['hostname', hostname]}, {init: ['uncover', GROUPS]}];
const HIDDEN: Part = {init: ['uncover', PLACE]};

/** The argv of process 1: it connects, does what libvirt has left to it, takes the account, and is init. */
function initOf(task: EngineTask, parts: readonly Part[]): readonly string[] {
  const {uid, gid, groups} = task.account;
  const isReadOnly = (part: Part): boolean => 'init' in part && part.init[0] === 'readOnly';
  const inOrder = [...leftBy(task), ...parts.filter((part) => !isReadOnly(part)), HIDDEN, ...parts.filter(isReadOnly)];
  const account = `${String(uid)} ${String(gid)} ${groups.join(',')}`;
  return [...task.init.argv, account, ...inOrder.flatMap((part) => ('init' in part ? part.init : []))];
}

/** @throws Error for a text that XML cannot hold, and without a folder to connect by */
export function domainOf(task: EngineTask, parts: readonly Part[]): string {
  const {folder} = task.init;
  if (folder === null) throw new Error('libvirt hands no descriptors on, and there is no folder by which init could connect');
  const [init = '', ...words] = initOf(task, parts);
  const devices = [...parts, bound(folder, PLACE, true)].flatMap((part) => ('device' in part ? part.device : []));
  const features = parts.flatMap((part) => ('feature' in part ? [part.feature] : []));
  const indented = (lines: readonly string[]): string[] => lines.map((line) => `    ${line}`);
  const lines = [
    '<domain type="lxc">',
    `  <name>${xmlText(nameOf(task))}</name>`,
    `  <memory unit="TiB">${String(MEMORY_TIB)}</memory>`,
    '  <os>',
    ...indented(['<type>exe</type>', `<init>${xmlText(init)}</init>`, ...words.map((word) => `<initarg>${xmlText(word)}</initarg>`)]),
    '  </os>',
    '  <features>',
    ...indented([...features, '<capabilities policy="deny">', ...CAPABILITIES.map((name) => `  <${name} state="on"/>`), '</capabilities>']),
    '  </features>',
    '  <on_reboot>destroy</on_reboot>',
    '  <devices>',
    // a domain has to have one
    ...indented([...devices, '<console type="pty"/>']),
    '  </devices>',
    '  <seclabel type="none"/>',
    '</domain>',
  ];
  return `${lines.join('\n')}\n`;
}
