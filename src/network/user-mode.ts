/** How the program of a user-mode network is called: pasta or slirp4netns. Pure. */

import type {StepOf} from '../plan/step.js';
import {withoutPrefix} from './identity.js';

/** Joins the groups of the engine before it starts anything; its standard input says when it may. */
const HELPER = 'read -r _; exec </dev/null; exec "$@"';
/** Ends slirp4netns with process 1 of the box, which it would outlive; pasta looks after that itself. */
const LIFELINE = 'read -r _; pid=$1; shift; tail --pid="$pid" -s 0.2 -f /dev/null </dev/null | exec "$@"';

/** The namespaces that it serves, as files of /proc. */
interface Namespaces {
  user: string;
  net: string;
}

interface UserMode {
  namespaces: Namespaces;
  /** Where pasta writes its number. */
  pidFile: string;
  /** Process 1 of the box. */
  initPid: number;
  /** Root runs it, and as no other account. */
  asRoot: boolean;
}

/** Arguments of /bin/sh. */
export const userModeArgv = (step: StepOf<'network.user'>, {namespaces, pidFile, initPid, asRoot}: UserMode): string[] =>
  step.by === 'pasta'
    ? ['-c', HELPER, 'sh', step.program, ...(asRoot ? AS_ROOT : []), ...pastaArgv(step, namespaces, pidFile)]
    : ['-c', LIFELINE, 'sh', String(initPid), step.program, ...slirpArgv(step, namespaces)];

/** Keeps pasta from becoming nobody before it opens the namespaces, which belong to root. */
const AS_ROOT = ['--runas', '0:0'];

/** passt(1): nothing of the node's loopback is reached, nothing is forwarded into the box. */
function pastaArgv({addresses, gateways, nameserver, device}: StepOf<'network.user'>, {user, net}: Namespaces, pidFile: string): string[] {
  const has = (sign: string): boolean => addresses.some((address) => address.includes(sign));
  const own = addresses.flatMap((address) =>
    address.includes(':') ? ['-a', withoutPrefix(address)] : ['-a', withoutPrefix(address), '-n', address.split('/')[1] ?? '24'],
  );
  return [
    ...['--config-net', '--quiet', '--no-map-gw', '--pid', pidFile, '-I', device, '--dns-forward', nameserver],
    ...['-t', 'none', '-u', 'none', '-T', 'none', '-U', 'none'],
    ...[...own, ...gateways.flatMap((gateway) => ['-g', gateway])],
    ...(has(':') ? [] : ['-4']),
    ...(has('.') ? [] : ['-6']),
    ...['--userns', user, '--netns', net],
  ];
}

/** slirp4netns(1). */
const slirpArgv = ({device}: StepOf<'network.user'>, {user, net}: Namespaces): string[] => [
  ...['--configure', '--mtu=65520', '--disable-host-loopback', '--exit-fd=0', '--ready-fd=3'],
  ...[`--userns-path=${user}`, '--netns-type=path', net, device],
];
