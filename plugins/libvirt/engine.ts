/** libvirt's LXC driver: its client tells its daemon of a domain, and ends; the domain is there until its init ends. */

import type {Engine, PatternNeeds, EngineTask} from '@tare/contract';
import {domainOf} from './domain.js';
import {PLACE, STEPS, type Part} from './parts.js';
import {waysOf} from './ways.js';

const FOLDER = 'domain';
const FILE = 'domain.xml';
/** Of its daemon for LXC alone, and of its daemon for all. */
const SOCKETS = ['/run/libvirt/virtlxcd-sock', '/run/libvirt/libvirt-sock'];
const NO_IMAGES = 'does not see what is mounted for a small machine before it starts';

const BOX: PatternNeeds = {network: 'closed'};

/** Makes directories as the box's account, then it is the client. Its arguments: uid, gid, the number of directories, these, and the client. */
const SCRIPT = `uid=$1 gid=$2 count=$3
shift 3
while [ "$count" -gt 0 ]; do
setpriv --reuid "$uid" --regid "$gid" --clear-groups mkdir -p -- "$1" || exit 125
shift
count=$((count - 1))
done
exec "$@"`;

function argvOf({engine: {path}, box, account: {uid, gid}, ...task}: EngineTask): string[] {
  const client = [path, '--quiet', '--connect', 'lxc:///system', 'create', '--file', `${box}/${FOLDER}/${FILE}`];
  const ways = waysOf({...task, box});
  return ways.length === 0 ? client : ['/bin/sh', '-c', SCRIPT, 'libvirt', ...[uid, gid, ways.length].map(String), ...ways, ...client];
}

/** libvirt, LXC driver. */
export const engine: Engine<readonly Part[]> = {
  name: 'libvirt',
  kind: {daemon: PLACE},
  userNamespace: false,
  program: {
    places: ['/usr/bin/virsh', '/usr/local/bin/virsh'],
    sockets: SOCKETS,
    version: {argument: '--version', pattern: /^(\d+(?:\.\d+)+)/},
    setuid: null,
    abilities: {},
    apparmor: {profiles: [], remedy: ''},
  },
  patterns: {'ulimit++': BOX, 'quotas++': BOX, 'vm-lite': NO_IMAGES},
  onlyListed: ['ulimit++', 'quotas++'],
  folders: [{name: FOLDER, written: false, because: 'what libvirt is told'}],
  prepared: false,
  covers: 'none',
  listens: false,
  tellsFiles: false,
  groups: 'none',
  skipsMissing: false,
  steps: STEPS,
  obstacle: ({uid}) => (uid === 0 ? null : 'builds boxes for root’s wrappers only'),
  translate: (task, parts) => ({
    files: [{folder: FOLDER, name: FILE, text: domainOf(task, parts.flat())}],
    argv: argvOf(task),
  }),
  words: {
    about: 'has libvirt’s daemon build boxes with its LXC driver, for root’s wrappers',
    manual: 'virsh(1), libvirt’s drvlxc and formatdomain',
    versions: 'any with an LXC driver; tried with 11.3',
    install: 'install libvirt’s LXC driver and virsh (libvirt-daemon-driver-lxc, libvirt-clients), and start libvirtd or virtlxcd',
    filter: 'init loads it (seccomp(2)) for what it starts',
    lacks: () => null,
  },
};
