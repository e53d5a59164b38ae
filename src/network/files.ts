/** What the files of a box's identity say. Pure: the node's own are arguments. */

import {sha256} from '../builtin.js';
import type {IdentityFile} from '../host/facts.js';

/** What the files of a box's identity are made of. */
export interface IdentityContent {
  id: string;
  hostname: string;
  /** The box's own; empty: none. */
  addresses: readonly string[];
  /** null: the node's. */
  nameservers: readonly string[] | null;
  /** The node's /etc/hosts and /etc/resolv.conf. */
  node: {hosts: string; resolv: string};
}

/** The text of one of /etc/hostname, machine-id, hosts and resolv.conf for a box. */
export function identityFile(name: IdentityFile, content: IdentityContent): string {
  switch (name) {
    case 'hostname':
      return `${content.hostname}\n`;
    case 'machine-id':
      // machine-id(5): 32 hexadecimal digits
      return `${sha256(`tare machine-id ${content.id}`).slice(0, 32)}\n`;
    case 'hosts':
      return hosts(content);
    case 'resolv.conf':
      return resolv(content);
  }
}

/** hosts(5): the box's own first, then what the node knows of others. */
function hosts({hostname, addresses, node}: IdentityContent): string {
  const [short = hostname] = hostname.split('.');
  const names = short === hostname ? hostname : `${hostname} ${short}`;
  // where there is no address the name leads to the box itself (as Debian has it)
  const own = (addresses.length === 0 ? ['127.0.1.1'] : addresses).map((address) => `${address}\t${names}`);
  const others = node.hosts.split('\n').filter((line) => /^\s*[0-9a-fA-F]/.test(line) && !/^\s*(127\.|::1\s)/.test(line));
  return `${['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback', ...own, ...others].join('\n')}\n`;
}

/** resolv.conf(5): search lists and options stay the node's. */
function resolv({nameservers, node}: IdentityContent): string {
  const lines = node.resolv.split('\n').filter((line) => /^(nameserver|search|domain|options)\s/.test(line));
  const own =
    nameservers === null
      ? lines
      : [...nameservers.map((address) => `nameserver ${address}`), ...lines.filter((line) => !line.startsWith('nameserver'))];
  return `${own.join('\n')}\n`;
}
