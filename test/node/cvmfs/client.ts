/**
 * Clients that Tare starts: a stand-in that takes the command line and the parameters of the real one, and the real one where a machine has
 * it. That needs repositories which hold `fixtures/cvmfs`, whose names and servers are told by the environment: TARE_CVMFS_CLIENT (or cvmfs2
 * on PATH), TARE_CVMFS_SERVER (a URL with @fqrn@), TARE_CVMFS_KEYS (a directory), TARE_CVMFS_REPOSITORIES (two names, with a comma between).
 */

import {execFileSync} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {chmodSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {delimiter, dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';

const TREE = fileURLToPath(new URL('../../../fixtures/cvmfs', import.meta.url));
const STAND_IN = fileURLToPath(new URL('cvmfs-stand-in.sh', import.meta.url));
const SERVER = fileURLToPath(new URL('cvmfs-server.py', import.meta.url));
export const PYTHON = '/usr/bin/python3';
/** A program for it: maps a file, and touches its last page when it is told to. */
export const TOUCH = `import mmap, sys
with open(sys.argv[1], 'rb') as file: pages = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
print('ready', pages[0], flush=True)
sys.stdin.readline()
print(pages[len(pages) - 1])`;
/** More than the kernel reads ahead. */
const LARGE = 8 * 2 ** 20;

/** How to mount two repositories with the tree of `fixtures/cvmfs`. */
export interface TestClient {
  /** For the title of a suite. */
  title: string;
  names: [string, string];
  /** `cvmfs.mount` of a policy. */
  mount: Record<string, unknown>;
  /** Only a stand-in can be made to: serve no more, serve again, and never answer. */
  take?: (name: string) => void;
  give?: (name: string) => void;
  silence?: (name: string) => void;
  /** Has another server than squashfuse, which can do more; its tree has a file `data/large` besides. */
  serve?: (name: string, attributes: Record<string, string>) => void;
  /** What it serves from now on has more in it. */
  fill?: (name: string, fill: (tree: string) => void) => void;
  /** A configuration repository is served too, which alone says where the servers of the others are; and the client's own directory that names it. */
  configure?: () => {repository: string; directory: string};
  /** The proxies that its clients tried, in their order; forgotten with that. */
  tried?: (name: string) => string[];
  /** That server tells other extended attributes from now on. */
  attribute?: (name: string, attributes: Record<string, string>) => void;
  /** The client's counters, as lines of its answer to `internal affairs`. */
  count?: (name: string, affairs: string) => void;
  /** That server takes the next read, and never answers. */
  hang?: (name: string) => void;
  /** It has. */
  isHung?: (name: string) => boolean;
}

function writeFiles(directory: string, files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), {recursive: true});
    writeFileSync(join(directory, name), text);
  }
}

/** @param place a directory that everybody can read */
export function standIn(place: string): TestClient {
  const folder = join(place, 'client');
  mkdirSync(folder);
  // its server, which may be an unprivileged user's, says there that it hangs
  chmodSync(folder, 0o777);
  const client = join(folder, 'cvmfs2');
  cpSync(STAND_IN, client);
  chmodSync(client, 0o755);
  cpSync(SERVER, join(folder, 'cvmfs-server.py'));
  const image = (name: string): string => join(folder, `${name}.sqfs`);
  const give = (name: string, files: Record<string, string> = {}, fill: (tree: string) => void = () => undefined): void => {
    const tree = join(folder, 'tree');
    cpSync(TREE, tree, {recursive: true});
    writeFiles(tree, files);
    fill(tree);
    const script =
      'import os, sys\nfor pair in sys.argv[2:]: os.setxattr(sys.argv[1], *[f(x) for f, x in zip((lambda k: "user." + k, str.encode), pair.split("=", 1))])';
    execFileSync(PYTHON, ['-c', script, tree, `fqrn=${name}`, 'revision=17', 'version=2.12.0.0', 'nioerr=0', 'host=http://server/']);
    execFileSync('mksquashfs', [tree, image(name), '-quiet', '-noappend', '-all-root'], {stdio: 'ignore'});
    rmSync(tree, {recursive: true});
  };
  const attribute = (name: string, attributes: Record<string, string>): void => {
    const file = join(folder, `${name}.attributes`);
    writeFileSync(`${file}.new`, JSON.stringify({fqrn: name, revision: '17', version: '2.12.0.0', nioerr: '0', ...attributes}));
    renameSync(`${file}.new`, file);
  };
  const names: [string, string] = ['sim.example.org', 'other.example.org'];
  for (const name of names) give(name);
  return {
    ...{title: 'a stand-in for the client', names},
    give: (name) => {
      give(name);
    },
    mount: {client, servers: ['http://127.0.0.1/cvmfs/@fqrn@'], proxies: 'DIRECT', parameters: {CVMFS_STAND_IN: folder}, deadline: '30s'},
    take: (name) => {
      rmSync(image(name));
    },
    silence: (name) => {
      writeFileSync(join(folder, `${name}.silent`), '');
    },
    serve: (name, attributes) => {
      const tree = join(folder, `${name}.tree`);
      cpSync(TREE, tree, {recursive: true});
      writeFileSync(join(tree, 'data/large'), randomBytes(LARGE));
      attribute(name, attributes);
    },
    attribute,
    fill: (name, fill) => {
      give(name, {}, fill);
    },
    configure: () => {
      const repository = 'config.example.org';
      // as in that of CERN: what several files need lies beside them, and the keys lie in the repository
      give(repository, {
        'etc/cvmfs/common.conf': 'CVMFS_SERVER_URL=http://127.0.0.1/cvmfs/@fqrn@\n',
        'etc/cvmfs/default.conf': `CVMFS_HTTP_PROXY=DIRECT\nCVMFS_STAND_IN=${folder}\n`,
        'etc/cvmfs/domain.d/example.org.conf':
          '. ../common.conf\nCVMFS_KEYS_DIR=$CVMFS_MOUNT_DIR/$CVMFS_CONFIG_REPOSITORY/etc/cvmfs/keys/example.org\n',
        'etc/cvmfs/keys/example.org/example.pub': 'a key\n',
      });
      const directory = join(folder, 'etc');
      writeFiles(directory, {
        // as mount/default.conf of the client has it
        'default.conf': 'if [ "x$CVMFS_BASE_ENV" = "x" ]; then\n  readonly CVMFS_MOUNT_DIR=/cvmfs\n  readonly CVMFS_BASE_ENV=1\nfi\n',
        'default.d/50-site.conf': `CVMFS_CONFIG_REPOSITORY=${repository}\n`,
        [`config.d/${repository}.conf`]: `CVMFS_SERVER_URL=http://127.0.0.1/cvmfs/@fqrn@\nCVMFS_HTTP_PROXY=DIRECT\nCVMFS_STAND_IN=${folder}\n`,
      });
      return {repository, directory};
    },
    tried: (name) => {
      const file = join(folder, `${name}.tried`);
      const tried = readFileSync(file, 'utf8').trim().split('\n');
      rmSync(file);
      return tried;
    },
    count: (name, affairs) => {
      writeFileSync(join(folder, `${name}.affairs`), affairs);
    },
    hang: (name) => {
      writeFileSync(join(folder, `${name}.hang`), '');
    },
    isHung: (name) => existsSync(join(folder, `${name}.hung`)),
  };
}

/** null where there is none. */
export function realClient(): TestClient | null {
  const {TARE_CVMFS_CLIENT, TARE_CVMFS_SERVER, TARE_CVMFS_KEYS, TARE_CVMFS_REPOSITORIES, PATH = ''} = process.env;
  const client =
    TARE_CVMFS_CLIENT ??
    PATH.split(delimiter)
      .map((directory) => join(directory, 'cvmfs2'))
      .find((path) => existsSync(path));
  const [one, other] = (TARE_CVMFS_REPOSITORIES ?? '').split(',');
  if (client === undefined || TARE_CVMFS_SERVER === undefined || TARE_CVMFS_KEYS === undefined || one === undefined || other === undefined)
    return null;
  return {
    title: 'cvmfs2',
    names: [one, other],
    mount: {client, servers: [TARE_CVMFS_SERVER], proxies: 'DIRECT', keys: TARE_CVMFS_KEYS, deadline: '60s'},
  };
}
