/**
 * The client's own directory of parameters, and the repository that has more of them (CVMFS_CONFIG_REPOSITORY), read in the order in which
 * the client itself reads them (cvmfs/options.cc, ParseDefault). Only a process in the mounts of the configuration repository sees its files.
 */

import {readFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {ifPossible} from '../errors.js';
import {namesIn} from '../record/durable.js';
import type {ProbeResult} from '../cvmfs/classify.js';
import type {StepOf} from '../plan/step.js';
import {configText} from '../policy/cvmfs-mount.js';

type Mount = StepOf<'cvmfs.mount'>;

/** The path at which a client finds the configuration repository. */
export interface ConfigPlace {
  repository: string;
  /** The directory of repositories in which it is. */
  directory: string;
  /** In whose mounts; null: in the node's. */
  mounter: number | null;
}

const NAMED = /^[ \t]*(?:(?:readonly|export)[ \t]+)?CVMFS_CONFIG_REPOSITORY=(["']?)([A-Za-z0-9._-]*)\1[ \t]*(?:#.*)?$/gm;

/** The policy says which, or the client's files: the last that names one counts, whatever the conditions around it. null: there is none. */
export function configRepositoryOf({configDirectory, configRepository, repository}: Mount): string | null {
  if (configDirectory === undefined) return null;
  const named = configRepository ?? defaultsIn(configDirectory).flatMap(namesOf).at(-1);
  // the client of the configuration repository has no other
  return named === undefined || named === '' || named === repository ? null : named;
}

const namesOf = (path: string): string[] =>
  ifPossible(() => [...readFileSync(path, 'utf8').matchAll(NAMED)].map(([, , name = '']) => name)) ?? [];

const defaultsIn = (directory: string): string[] => [
  join(directory, 'default.conf'),
  ...namesIn(join(directory, 'default.d'))
    .filter((name) => name.endsWith('.conf'))
    .sort()
    .map((name) => join(directory, 'default.d', name)),
];

/** null where it cannot be used. */
export function placeOf({entry, own}: ProbeResult, root: string): ConfigPlace | null {
  if (entry.state !== 'ok') return null;
  const {repository} = entry;
  return own === undefined
    ? {repository, directory: root, mounter: null}
    : {repository, directory: dirname(own.place), mounter: own.mounter.pid};
}

/** Files of Tare's own in the client's folder, by name, and the whole list that the client reads. Of files that are not there it reads nothing. */
export function configOf(
  {repository, root, config, configDirectory, parameters}: Mount,
  folder: string,
  place: ConfigPlace | null,
): {own: Record<string, string>; files: string[]} {
  const own: Record<string, string> = {config: configText(parameters, folder)};
  const last = join(folder, 'config');
  if (configDirectory === undefined) return {own, files: [...config, last]};
  const domain = `domain.d/${repository.slice(repository.indexOf('.') + 1)}`;
  const only = `config.d/${repository}`;
  // the client's default.conf sets the directory of repositories, unless another file did before
  own.base = setting({CVMFS_FQRN: repository, CVMFS_BASE_ENV: '1', CVMFS_MOUNT_DIR: place?.directory ?? root});
  if (place !== null) own.named = setting({CVMFS_CONFIG_REPOSITORY: place.repository});
  const external = (name: string): string[] =>
    place === null ? [] : [join(place.directory, place.repository, 'etc/cvmfs', `${name}.conf`)];
  const local = (name: string, ...kinds: string[]): string[] => kinds.map((kind) => join(configDirectory, `${name}.${kind}`));
  return {
    own,
    files: [
      ...[join(folder, 'base'), ...defaultsIn(configDirectory), ...(place === null ? [] : [join(folder, 'named')])],
      ...[...external('default'), ...local('default', 'local')],
      ...[...external(domain), ...local(domain, 'conf', 'local')],
      ...[...external(only), ...local(only, 'conf', 'local')],
      last,
    ],
  };
}

const setting = (values: Record<string, string>): string =>
  configText(
    Object.entries(values).map(([name, value]) => ({name, value})),
    '',
  );
