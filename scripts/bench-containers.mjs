// The peers of `npm run bench -- launch` and `-- engines`: each runs a static `true` with a memory limit, as root, on a root file system with nothing else.
import {spawnSync} from 'node:child_process';
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {Stop, must, which} from './steps.mjs';

const MEMORY_BYTES = 200 * 2 ** 20;
const IMAGE = 'tare-bench';
const DOMAIN = 'tare-bench';
const SETTLED_MS = 2000;

function rootFileSystem(place) {
  const directory = path.join(place, 'rootfs');
  for (const name of ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp']) mkdirSync(path.join(directory, name), {recursive: true});
  must('gcc', ['-static', '-xc', '-', '-o', path.join(directory, 'bin/true')], {input: 'int main(void) { return 0; }\n'});
  return directory;
}

/** runc and crun: an OCI bundle. */
function bundle(program, place, directory) {
  const at = path.join(place, program);
  mkdirSync(at);
  must(program, ['spec'], {cwd: at});
  const file = path.join(at, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8'));
  Object.assign(config.process, {terminal: false, args: ['/bin/true']});
  config.root.path = directory;
  config.linux.resources.memory = {limit: MEMORY_BYTES};
  writeFileSync(file, JSON.stringify(config));
  return {command: [program, 'run', '--bundle', at, 'tare-bench']};
}

/** Where hierarchies of version 2 that have controllers are mounted beside those of version 1. */
const secondHierarchies = () =>
  readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, at, type]) => type === 'cgroup2' && at.startsWith('/sys/fs/cgroup/'))
    .map(([, at]) => at)
    .filter((at) => readFileSync(path.join(at, 'cgroup.controllers'), 'utf8').trim() !== '');

/**
 * crun starts nothing where it sees controllers of both versions ("cgroups in hybrid mode not supported"), with `--cgroup-manager=disabled`
 * neither: there it is started in mounts without the second one. They are made once; to enter them takes about 1 ms of each start.
 */
function withoutSecond(place, peer) {
  const hierarchies = secondHierarchies();
  if (hierarchies.length === 0) return peer;
  const folder = path.join(place, 'mounts');
  const file = path.join(folder, 'crun');
  mkdirSync(folder);
  writeFileSync(file, '');
  // a mount namespace can be kept by a private mount alone (unshare(1))
  must('mount', ['--bind', folder, folder]);
  const remove = () => spawnSync('umount', ['--recursive', folder]);
  try {
    must('mount', ['--make-private', folder]);
    must('unshare', [`--mount=${file}`, '--propagation', 'private', 'umount', '--lazy', ...hierarchies]);
  } catch (error) {
    remove();
    throw error;
  }
  return {command: ['nsenter', `--mount=${file}`, ...peer.command], remove};
}

/** docker and podman: an image. */
function image(tool, directory) {
  const archive = must('tar', ['--create', '--directory', directory, '.'], {encoding: 'buffer', maxBuffer: 2 ** 26});
  must(tool[0], [...tool.slice(1), 'import', '-', IMAGE], {input: archive});
  return {command: [...tool, 'run', '--rm', '--network', 'none', '--memory', String(MEMORY_BYTES), IMAGE, '/bin/true']};
}

const PEERS = {
  'docker run': (place, directory) => ({
    ...image(['docker'], directory),
    remove: () => must('docker', ['rmi', '--force', IMAGE]),
  }),
  'podman run': (place, directory) => {
    const own = ['--root', path.join(place, 'podman'), '--runroot', path.join(place, 'podman-run'), '--cgroup-manager', 'cgroupfs'];
    const runtime = which('runc') === null ? [] : ['--runtime', 'runc'];
    const tool = ['podman', ...own, ...runtime];
    return {...image(tool, directory), remove: () => must(tool[0], [...tool.slice(1), 'rmi', '--force', IMAGE])};
  },
  'lxc-execute': (place, directory) => {
    const file = path.join(place, 'lxc.conf');
    const own = path.join(place, 'lxc');
    mkdirSync(own);
    const limits = ['lxc.cgroup.memory.limit_in_bytes', 'lxc.cgroup2.memory.max'].map((key) => `${key} = ${MEMORY_BYTES}`);
    writeFileSync(
      file,
      [`lxc.rootfs.path = dir:${directory}`, ...limits, 'lxc.net.0.type = empty', 'lxc.mount.auto = proc:mixed', ''].join('\n'),
    );
    return {command: ['lxc-execute', '-P', own, '-n', 'tare-bench', '-f', file, '--', '/bin/true']};
  },
  'virsh create': (place, directory) => {
    const file = path.join(place, 'domain.xml');
    const filesystem = `<filesystem type='mount'><source dir='${directory}'/><target dir='/'/></filesystem>`;
    const os = '<os><type>exe</type><init>/bin/true</init></os>';
    const devices = `<devices>${filesystem}<console type='pty'/></devices>`;
    writeFileSync(
      file,
      `<domain type='lxc'><name>${DOMAIN}</name><memory unit='bytes'>${MEMORY_BYTES}</memory>${os}<features><privnet/></features>${devices}</domain>`,
    );
    const [program, ...flags] = ['virsh', '--quiet', '--connect', 'lxc:///system'];
    const isThere = () => must(program, [...flags, 'list', '--name']).includes(DOMAIN);
    // virsh ends when the domain has started, and makes no second one of that name
    const settle = () => {
      for (const deadline = Date.now() + SETTLED_MS; isThere() && Date.now() < deadline;);
      // libvirt does not notice each end of an init that ends at once (seen with 11.3)
      if (isThere()) spawnSync(program, [...flags, 'destroy', DOMAIN]);
    };
    return {command: [program, ...flags, 'create', file], settle, remove: () => spawnSync(program, [...flags, 'destroy', DOMAIN])};
  },
  'runc run': (place, directory) => bundle('runc', place, directory),
  'crun run': (place, directory) => withoutSecond(place, bundle('crun', place, directory)),
};

/** Those that run here; why another does not is said. What one has to do before it can be started again is `settle`. */
export function peers(place) {
  const found = [];
  let directory = null;
  for (const [name, prepare] of Object.entries(PEERS)) {
    let peer = null;
    try {
      const [program] = name.split(' ');
      if (process.getuid() !== 0) throw new Stop('only root');
      if (which(program) === null) throw new Stop(`${program} is not installed`);
      directory ??= rootFileSystem(place);
      peer = {name, options: {cwd: '/'}, ...prepare(place, directory)};
      must(peer.command[0], peer.command.slice(1), peer.options);
      found.push(peer);
    } catch (error) {
      peer?.remove?.();
      if (!(error instanceof Stop)) throw error;
      console.log(`skipped: ${name}: ${error.message}`);
    }
  }
  return found;
}
