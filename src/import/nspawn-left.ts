/** Settings of systemd-nspawn that nothing is made of, and why (systemd.nspawn(5)). */

const NETWORK = 'a box gets no device of the node’s network; a pool of the policy has addresses for boxes (identity.pools)';
const NODE = 'a box has that of the node, or of its image';
const READY = 'when a small machine is ready is found out by looking at its init and services';
const VIEW = 'an image is never changed: what a job writes to its view of it is gone at its end';
const OWNERS = 'Tare maps the accounts of an image, and changes no owner in it';

/** By section and name. */
export const LEFT: Readonly<Record<string, string>> = {
  'Exec.ProcessTwo': 'with yes the payload is a process below Tare’s init, else process 1 of a PID namespace of its own (`firstProcess`)',
  'Exec.DropCapability': 'a payload has no capabilities on the node',
  'Exec.NoNewPrivileges': 'a payload never gets privileges by executing a program',
  'Exec.Personality': 'a payload has the personality that its caller has',
  'Exec.PivotRoot': 'the image is the root: name the directory within as `image`',
  'Exec.NotifyReady': READY,
  'Exec.SystemCallFilter': 'which system calls a box denies is said by the policy’s `seccomp`, as a name or a file',
  'Exec.ResolvConf': NODE,
  'Exec.Timezone': NODE,
  'Exec.LinkJournal': 'the journal of a small machine is gone with it',
  'Exec.SuppressSync': 'Tare leaves writing to disk to the payload',
  'Files.ReadOnly': VIEW,
  'Files.Inaccessible': 'a box hides no single file or directory',
  'Files.Overlay': 'a view is of the whole file system: see `filesystem`',
  'Files.OverlayReadOnly': 'a view is of the whole file system: see `filesystem`',
  'Files.BindUser': 'the accounts of a box are the payload’s and those of its image',
  'Files.PrivateUsersChown': OWNERS,
  'Files.PrivateUsersOwnership': OWNERS,
  'Network.VirtualEthernetExtra': NETWORK,
  'Network.Interface': NETWORK,
  'Network.IPVLAN': NETWORK,
  'Network.NamespacePath': 'a box never joins the network of another',
  'Network.Zone': 'boxes meet on the bridge of a pool of the policy (identity.pools, with reach: box-to-box)',
  'Network.Port': 'Tare forwards no ports to a box: with a pool of the policy (identity.pools) it has an address of its own',
};

/** Settings whose value is a truth value, or one of these words. */
export const TRUTHS: Readonly<Record<string, readonly string[]>> = {
  'Exec.ProcessTwo': [],
  'Exec.NoNewPrivileges': [],
  'Exec.NotifyReady': [],
  'Exec.SuppressSync': [],
  'Exec.ResolvConf': [
    'delete',
    'auto',
    ...['copy', 'bind', 'replace'].flatMap((how) => ['host', 'static', 'uplink', 'stub'].map((what) => `${how}-${what}`)),
  ],
  'Files.ReadOnly': [],
  'Files.PrivateUsersChown': [],
};
