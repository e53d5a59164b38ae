/** What can give a box a network address of its own: programs in fixed places, and what the kernel lets them do, tried out in a namespace. */

import type {Cached} from './cache.js';
import type {Spawn} from './engine.js';
import type {Ability, Facts, IdentityFile, NetworkFacts, NetworkProgram} from './facts.js';
import type {NamespaceInputs} from './namespaces.js';
import type {ProcessStatus} from './status.js';
import type {Tree} from './tree.js';

const NAMES: readonly NetworkProgram[] = ['ip', 'nft', 'nsenter', 'unshare', 'pasta', 'slirp4netns'];
const FOLDERS = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];
const FILES: readonly IdentityFile[] = ['hosts', 'hostname', 'resolv.conf', 'machine-id'];
const TUN = '/dev/net/tun';

/** What the facts of networks are found with. */
export interface NetworkInputs extends Pick<NamespaceInputs, 'tree' | 'status' | 'caller' | 'setuid'> {
  namespaces: Facts['namespaces'];
  spawn: Spawn | undefined;
  cache: Cached | null;
}

/** Finds what can give a box an address. Root makes devices in a network namespace, to see what the kernel has. */
export function readNetwork(inputs: NetworkInputs): NetworkFacts {
  const {tree, status} = inputs;
  const find = (name: NetworkProgram): string | null =>
    FOLDERS.map((folder) => `${folder}/${name}`).find((path) => tree.program(path) !== null) ?? null;
  const programs = Object.fromEntries(NAMES.map((name) => [name, find(name)])) as NetworkFacts['programs'];
  const admin = adminAbility(status, programs);
  const works = admin.available ? tryDevices(inputs, programs) : [];
  const tried = works === null ? untried : admin;
  const device = (name: string, option: string): Ability => {
    if (!tried.available) return tried;
    return works?.includes(name) === true
      ? yes(`${programs.ip ?? 'ip'} made one in a network namespace`)
      : no(`${programs.ip ?? 'ip'} could make none in a network namespace`, `use a kernel with ${option}, or load its module`);
  };
  return {
    programs,
    admin,
    bridge: device('bridge', 'CONFIG_BRIDGE and CONFIG_VETH'),
    macvlan: device('macvlan', 'CONFIG_MACVLAN'),
    nft: nftAbility(tried, programs, works ?? []),
    user: userAbility(inputs, programs),
    forwarding: {4: isOn(tree, 'ipv4/ip_forward'), 6: isOn(tree, 'ipv6/conf/all/forwarding')},
    ipv4: {global: hasRoute4(tree)},
    ipv6: {kernel: tree.exists('/proc/sys/net/ipv6') && !isOn(tree, 'ipv6/conf/all/disable_ipv6'), global: hasGlobal6(tree)},
    files: Object.fromEntries(FILES.map((name) => [name, realFile(tree, `/etc/${name}`)])) as NetworkFacts['files'],
    how: `looked for in ${FOLDERS.join(', ')}`,
  };
}

const yes = (how: string): Ability => ({available: true, how, remedy: null});
const no = (how: string, remedy: string | null): Ability => ({available: false, how, remedy});
/** Says nothing of the kernel: a busy node explains it too. */
const untried = no(
  'devices in a network namespace could not be tried: unshare failed, or did not end in time',
  'see whether "unshare --net true" works',
);
const isOn = (tree: Tree, name: string): boolean => !['0', ''].includes(tree.text(`/proc/sys/net/${name}`)?.trim() ?? '0');

function adminAbility({netAdmin, sysAdmin}: ProcessStatus, programs: NetworkFacts['programs']): Ability {
  if (!netAdmin || !sysAdmin) return no('CapEff of /proc/self/status lacks CAP_NET_ADMIN or CAP_SYS_ADMIN', 'run the wrapper as root');
  if (programs.ip === null) return no(`ip is in none of ${FOLDERS.join(', ')}`, 'install iproute2 (EL: iproute)');
  if (programs.nsenter === null || programs.unshare === null) return no('nsenter or unshare is not there', 'install util-linux');
  return yes(`CAP_NET_ADMIN in CapEff of /proc/self/status, ${programs.ip}`);
}

function nftAbility(tried: Ability, {nft}: NetworkFacts['programs'], works: readonly string[]): Ability {
  if (!tried.available) return tried;
  if (nft === null) return no(`nft is in none of ${FOLDERS.join(', ')}`, 'install nftables');
  return works.includes('nft')
    ? yes(`${nft} made a table in a network namespace`)
    : no(`${nft} could make no table`, 'use a kernel with CONFIG_NF_TABLES and CONFIG_NFT_MASQ');
}

/** The words are what the devices are called in `works`. $0 is ip, $1 is nft. */
const TRIAL = [
  '"$0" link add tare0 type bridge && "$0" link add tare1 type veth peer name tare2 && "$0" link set tare1 master tare0 &&',
  '"$0" link set tare1 type bridge_slave isolated on && echo bridge;',
  '"$0" link add link tare2 name tare3 type macvlan mode private && echo macvlan;',
  '[ -x "$1" ] && "$1" add table inet tare && "$1" "add chain inet tare p { type nat hook postrouting priority 100; }" && echo nft; true',
].join(' ');

/** Null: it was not found out. Only that all works is kept: what does not may be mended before the next boot. */
function tryDevices({spawn, cache, tree}: NetworkInputs, {ip, nft, unshare}: NetworkFacts['programs']): string[] | null {
  if (spawn === undefined || ip === null || unshare === null) return null;
  const age = (path: string | null): string => String((path === null ? null : tree.program(path))?.mtimeMs ?? '');
  const key = `network ${ip} ${age(ip)} ${nft ?? ''} ${age(nft)}`;
  const said = cache?.get(key) ?? spawn(unshare, ['--net', '/bin/sh', '-c', TRIAL, ip, nft ?? '']);
  if (said === null) return null;
  const works = said.split('\n').filter((word) => word !== '');
  if (works.length === 3) cache?.put(key, said);
  return works;
}

function userAbility({tree, namespaces, setuid, caller}: NetworkInputs, {pasta, slirp4netns, unshare}: NetworkFacts['programs']): Ability {
  const program = pasta ?? slirp4netns;
  if (program === null) return no(`neither pasta nor slirp4netns is in one of ${FOLDERS.join(', ')}`, 'install passt (or slirp4netns)');
  if (setuid !== null) return no(`setuid ${setuid} makes namespaces that no program of the user’s can enter`, 'take its setuid bit away');
  if (!namespaces.user.available) return no(`no user namespace (${namespaces.user.how})`, namespaces.user.remedy);
  if (!namespaces.network.available) return no(`no network namespace (${namespaces.network.how})`, namespaces.network.remedy);
  if (unshare === null) return no('unshare is not there', 'install util-linux');
  // root's payload has an account of its own, which opens it: whether it may is found out then
  if (caller.uid === 0 ? !tree.exists(TUN) : !tree.writable(TUN))
    return no(`${TUN} is not there, or not all may open it`, 'modprobe tun, and mode 0666 for /dev/net/tun');
  return yes(`${program}, ${TUN}`);
}

/** /proc/net/route, whose first line is a heading. */
function hasRoute4(tree: Tree): boolean {
  const lines = (tree.text('/proc/net/route') ?? '').split('\n').slice(1);
  return lines.some((line) => /^\S+\s/.test(line) && !line.startsWith('lo\t'));
}

/** A global address (scope 00 of /proc/net/if_inet6) of another device than lo. */
function hasGlobal6(tree: Tree): boolean {
  const lines = (tree.text('/proc/net/if_inet6') ?? '').split('\n').map((line) => line.trim().split(/\s+/));
  return lines.some(([, , , scope, , device]) => scope === '00' && device !== 'lo');
}

/** Resolves links, such as /etc/resolv.conf. A link that leads above / stops there. */
function realFile(tree: Tree, path: string): string | null {
  const target = tree.link(path);
  const real = target === null ? path : target.startsWith('/') ? target : new URL(target, `file://${path}`).pathname;
  return tree.link(real) === null && tree.exists(real) && !tree.isDirectory(real) ? real : null;
}
