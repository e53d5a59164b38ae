/** Proxies as the client writes them (CVMFS_HTTP_PROXY): `|` between those of a group, `;` between groups, DIRECT for none. Pure. */

/** A proxy's host, name or address, and its TCP port. */
export interface Address {
  host: string;
  port: number;
}

const groupsOf = (proxies: string): string[][] => proxies.split(';').map((group) => group.split('|').filter((one) => one !== ''));

/** The address of a proxy or a server; null: not known, as for DIRECT and `auto`. */
export function addressOf(url: string): Address | null {
  const found = /^(?:(https?):\/\/)?(\[[0-9a-fA-F:]+\]|[^/:[\]@]+)(?::(\d{1,5}))?(?:\/.*)?$/.exec(url);
  const [, scheme, host = '', port] = found ?? [];
  if (found === null || (scheme === undefined && port === undefined)) return null;
  return {host: host.replace(/^\[|\]$/g, ''), port: Number(port ?? (scheme === 'https' ? 443 : 80))};
}

/** The proxies that can be tried, each once. */
export const proxiesIn = (proxies: string): string[] => [...new Set(groupsOf(proxies).flat())].filter((one) => addressOf(one) !== null);

/** Whether one that does not answer could be put behind another. */
export const hasChoice = (proxies: string): boolean => groupsOf(proxies).flat().length > 1;

/**
 * Puts proxies that do not answer behind the others of their group, and a group without an answer behind all groups.
 * The client takes one of a group by chance, so what is behind others is a group of its own.
 */
export function withDeadLast(proxies: string, dead: ReadonlySet<string>): string {
  const groups = groupsOf(proxies).filter((group) => group.length > 0);
  const parts = groups.map((group) => ({
    alive: group.filter((one) => !dead.has(one)),
    dead: group.filter((one) => dead.has(one)),
  }));
  const inPlace = parts.filter(({alive}) => alive.length > 0).flatMap((group) => [group.alive, group.dead]);
  const behind = parts.filter(({alive}) => alive.length === 0).map((group) => group.dead);
  return [...inPlace, ...behind]
    .filter((group) => group.length > 0)
    .map((group) => group.join('|'))
    .join(';');
}
