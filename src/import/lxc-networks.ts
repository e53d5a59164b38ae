/** Networks of an LXC container: `lxc.net.N.*`. */

import type {Draft} from './draft.js';
import type {Lines, Setting} from './lxc-lines.js';
import {proposeAddress} from './network.js';

/** What Tare does itself, of keys of one network. */
const LEFT: readonly (readonly [RegExp, string])[] = [
  [/^(?:flags|name|mtu|hwaddr)$/, 'Tare makes and names a box’s device itself'],
  [/^script\./, 'Tare runs no scripts of a description'],
  [/^(?:veth|macvlan|ipvlan|vlan|l2proxy)\b/, 'Tare connects a box as its pool in the policy says'],
  [/^link$|^ipv[46]\./, 'no pool is proposed, since address, device or kind are not what a pool has'],
];

/** Takes the network. Without any line about it a container has a network namespace of its own, with nothing in it. */
export function readNetworks(lines: Lines, draft: Draft, file: string): void {
  const networks = new Map<string, Setting[]>();
  for (const setting of lines.settings) {
    const [, index] = /^lxc\.net\.(\d{1,9})\./.exec(setting.key) ?? [];
    if (index !== undefined) networks.set(index, [...(networks.get(index) ?? []), setting]);
  }
  if (networks.size > MOST_NETWORKS) {
    for (const {origin} of [...networks.values()].flat())
      draft.leave(origin, `a box has one network; of more than ${MOST_NETWORKS} nothing is made`);
    return;
  }
  const types = [...networks.values()].flatMap((settings) => settings.filter(({key}) => key.endsWith('.type')).at(-1) ?? []);
  for (const settings of networks.values()) readNetwork(settings, draft);
  const joined = lines.settings.find(({key}) => key === 'lxc.namespace.share.net' || key === 'lxc.namespace.keep');
  if (types.length > 0) {
    const [first] = types;
    if (first !== undefined && types.every(({value}) => value === 'empty')) draft.field('network', 'none', first.origin);
    if (first !== undefined && types.every(({value}) => value === 'none')) draft.field('network', 'host', first.origin);
  } else if (joined === undefined && !lines.isPartial) draft.field('network', 'none', {at: file, as: 'no lxc.net'});
  else if (joined === undefined)
    draft.leave({at: file, as: 'no lxc.net'}, 'a file that could not be read may have one; else its network is empty (network: none)');
}

const MOST_NETWORKS = 64;

const KINDS: Readonly<Record<string, 'bridge' | 'macvlan' | 'own' | undefined>> = {
  veth: 'bridge',
  macvlan: 'macvlan',
  empty: 'own',
  none: 'own',
};

function readNetwork(settings: readonly Setting[], draft: Draft): void {
  const named = settings.map((setting) => ({setting, name: setting.key.replace(/^lxc\.net\.\d+\./, '')}));
  const last = new Map(named.map(({setting, name}) => [name, setting]));
  const type = last.get('type');
  const kind = type !== undefined && Object.hasOwn(KINDS, type.value) ? KINDS[type.value] : undefined;
  const ofPool = named.filter(({setting, name}) =>
    name === 'link' ? last.get(name) === setting : /^ipv[46]\.address$/.test(name) || isGateway(setting),
  );
  const isTaken = type !== undefined && (kind === 'bridge' || kind === 'macvlan') && propose(type, kind, ofPool, draft);
  for (const {setting, name} of named) {
    if (isTaken ? setting === type || ofPool.some((each) => each.setting === setting) : setting === type && kind !== undefined) continue;
    if (setting === type) draft.leave(setting.origin, 'a box is connected by a bridge or by macvlan (identity.pools in the policy)');
    else if (name === 'type') draft.leave(setting.origin, 'a later line replaces it');
    else if (name.endsWith('.gateway') && /^(?:auto|dev)$/.test(setting.value)) draft.leave(setting.origin, GATEWAY);
    else draft.leave(setting.origin, LEFT.find(([pattern]) => pattern.test(name))?.[1] ?? 'unknown to this reader');
  }
}

/** Device, addresses and gateways. @returns whether that is a pool */
function propose(type: Setting, kind: 'bridge' | 'macvlan', ofPool: readonly {setting: Setting; name: string}[], draft: Draft): boolean {
  return proposeAddress(
    {
      kind,
      device: ofPool.find(({name}) => name === 'link')?.setting.value,
      // ADDRESS/PREFIX, and for IPv4 a broadcast address behind it
      addresses: ofPool
        .filter(({name}) => name.endsWith('.address'))
        .map(({setting: {value, origin}}) => {
          const [, address = value, prefix] = /^([0-9A-Fa-f.:]{2,45})(?:\/(\d{1,3}))?(?:\s|$)/.exec(value) ?? [];
          return {address, prefix, origin};
        }),
      gateways: ofPool.filter(({name}) => name.endsWith('.gateway')).map(({setting: {value, origin}}) => ({address: value, origin})),
      origin: type.origin,
    },
    draft,
  );
}

const GATEWAY = 'a pool of the policy names its gateway by its address, and Tare asks no device of the node for one';

/** A gateway may be `auto`, `dev`. */
const isGateway = ({key, value}: Setting): boolean => /\.ipv[46]\.gateway$/.test(key) && /^[0-9A-Fa-f.:]+$/.test(value);
