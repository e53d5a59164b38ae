/** How Tare mounts a repository that the node has not got: settings to what its client is told. Pure. */

import {TareError} from '../errors.js';
import {below, type Locate} from '../job/at.js';
import type {Problems} from '../job/problems.js';
import {formatBytes, parseDuration, parseSize} from '../job/quantity.js';
import type {CvmfsMountDocument} from '../schema/generated/policy-1.js';

/** How Tare mounts repositories that the node does not have. */
export interface CvmfsMountRule {
  /** The program. */
  client: string;
  /** Files of its parameters, with `%r` and `%d`. */
  config: string[];
  /** The client's own directory of parameters; null: it reads none. */
  configDirectory: string | null;
  /** null: the one that configDirectory names. */
  configRepository: string | null;
  /** What is set beside them, in the client's names. */
  parameters: {name: string; value: string}[];
  /** Where accounts have a cache for all their jobs; null: each job has its own. */
  sharedCache: string | null;
  /** Of an own cache what it may take, of a shared one what a sweep leaves of it; null: whatever it takes. */
  quotaBytes: number | null;
  deadlineUs: number;
  /** Where the policy says so. */
  at: string;
}

/** The client's own folder, in the values of parameters; its name is known when the job is begun. */
const FOLDER = '{folder}';

const DEFAULT_CLIENT = '/usr/bin/cvmfs2';
const DEFAULT_DEADLINE_US = 60e6;
const DEFAULT_QUOTA = 4 * 2 ** 30;
const MIB = 2 ** 20;
/** The client pins catalogs, which have to fit into less than its quota. */
const LEAST_QUOTA = 64 * MIB;

/** What Tare sets: where the client keeps things, and that its end is the job's. */
const OWN =
  /^CVMFS_(CACHE_.*|ALIEN_CACHE|SHARED_CACHE|QUOTA_LIMIT|WORKSPACE|RELOAD_SOCKETS|NFS_.*|SYSTEMD_NOKILL|USER|SUID|CONFIG_REPOSITORY.*|MOUNT_RW)$/;

/** A shell reads them: these change what it does, or what the client is. */
const SHELL = /^(PATH|IFS|ENV|HOME|SHELLOPTS|PS4|BASH.*|LD_.*|GCONV_PATH)$/;

/** @param locate where the policy says something, by its pointer below `cvmfs.mount` */
export function readCvmfsMount(written: CvmfsMountDocument, locate: Locate, problems: Problems): CvmfsMountRule {
  const {client, config = [], configDirectory, configRepository, parameters = {}, cache = {}, deadline} = written;
  const given = givenParameters(written);
  const more = Object.entries(parameters).map(([name, value]) => ({name, value}));
  checkParameters(more, given, locate, problems);
  checkFiles(written, [...given, ...more], locate, problems);
  const shared = cache.shared?.replace(/\/+$/, '') ?? null;
  return {
    client: client ?? DEFAULT_CLIENT,
    at: locate(''),
    config,
    configDirectory: configDirectory ?? null,
    configRepository: configRepository ?? null,
    parameters: [...given.map(({name, value}) => ({name, value})), ...more],
    sharedCache: shared,
    quotaBytes: readQuota(cache.quota, locate, problems) ?? (shared === null ? DEFAULT_QUOTA : null),
    deadlineUs:
      deadline === undefined
        ? DEFAULT_DEADLINE_US
        : (problems.attempt(() => parseDuration(deadline, locate('/deadline'))) ?? DEFAULT_DEADLINE_US),
  };
}

/** A parameter of the client's; `key`: what the policy calls it. */
type Parameter = CvmfsMountRule['parameters'][number] & {key?: string};

/** Parameters that have a name of their own in the policy. */
const givenParameters = ({servers, proxies, keys}: CvmfsMountDocument): Parameter[] => [
  ...(servers === undefined ? [] : [{name: 'CVMFS_SERVER_URL', value: servers.join(';'), key: 'servers'}]),
  ...(proxies === undefined ? [] : [{name: 'CVMFS_HTTP_PROXY', value: proxies, key: 'proxies'}]),
  ...(keys === undefined ? [] : [{name: 'CVMFS_KEYS_DIR', value: keys, key: 'keys'}]),
];

/** Checks parameters that are written by the client's names: some may not be set, and none twice. */
function checkParameters(more: readonly Parameter[], given: readonly Parameter[], locate: Locate, problems: Problems): void {
  for (const {name, value} of more) {
    const at = locate(below('/parameters', name));
    const key = given.find((one) => one.name === name)?.key;
    if (OWN.test(name)) problems.add(wrong('Tare sets this parameter of the client itself', at, value, 'others; for the cache see cache'));
    if (SHELL.test(name))
      problems.add(
        wrong(
          'the variable changes how the client’s files are read, or what the client is',
          at,
          value,
          'parameters of the client (CVMFS_…), and variables that links in repositories have, such as OSG_APP',
        ),
      );
    if (key !== undefined) problems.add(wrong('the parameter is given twice', at, `${name} and ${key}`, 'one of them'));
  }
}

/** Whether the client finds its configuration, and in one place only. */
function checkFiles(written: CvmfsMountDocument, known: readonly Parameter[], locate: Locate, problems: Problems): void {
  const {config = [], configDirectory, configRepository} = written;
  if (configDirectory === undefined ? configRepository !== undefined : config.length > 0)
    problems.add(
      wrong(
        configDirectory === undefined
          ? 'a configuration repository is used with configDirectory alone'
          : 'the client’s files are named twice',
        locate(configDirectory === undefined ? '/configRepository' : '/config'),
        configDirectory ?? configRepository ?? '',
        'configDirectory, with or without configRepository, or config',
      ),
    );
  if (config.length > 0 || configDirectory !== undefined) return;
  const somewhere = locate(below('', Object.keys(written)[0] ?? 'servers'));
  for (const [key, name] of [
    ['servers', 'CVMFS_SERVER_URL'],
    ['proxies', 'CVMFS_HTTP_PROXY'],
  ] as const)
    if (!known.some((one) => one.name === name))
      problems.add(
        wrong(
          'the client of cvmfs.mount cannot know what it needs',
          somewhere,
          `neither ${key} nor config`,
          `${key}, or config files or a configDirectory with ${name}`,
        ),
      );
}

/** The quota in bytes; null: none is written, or it is not a size. */
function readQuota(written: string | number | undefined, locate: Locate, problems: Problems): number | null {
  if (written === undefined) return null;
  const quota = problems.attempt(() => parseSize(written, locate('/cache/quota')));
  if (quota !== null && quota < LEAST_QUOTA)
    problems.add(
      wrong('the cache is too small for a client', locate('/cache/quota'), formatBytes(quota), `${formatBytes(LEAST_QUOTA)} or more`),
    );
  return quota;
}

const wrong = (message: string, where: string, found: string, allowed: string): TareError =>
  new TareError('POLICY_CONTRADICTION', {message, where, found, allowed});

/** The config files for one repository. */
export const configFor = ({config}: CvmfsMountRule, repository: string): string[] =>
  config.map((path) => path.replaceAll('%r', repository).replaceAll('%d', repository.slice(repository.indexOf('.') + 1)));

/** The directory of an account in a shared cache. */
export const cacheOf = (shared: string, uid: number): string => `${shared}/${String(uid)}`;

/**
 * All parameters of the client beside its config files.
 * @param account whose client it is
 * @param repositories how many share the job's own cache: each client keeps to a quota of its own
 */
export function parametersFor(
  {parameters, sharedCache, quotaBytes}: CvmfsMountRule,
  account: number,
  repositories: number,
): {name: string; value: string}[] {
  const cache =
    sharedCache === null
      ? [{name: 'CVMFS_QUOTA_LIMIT', value: String(Math.max(1, Math.floor((quotaBytes ?? DEFAULT_QUOTA) / MIB / repositories)))}]
      : [
          // several clients of one repository use one cache only so, and none of them keeps to a quota then
          {name: 'CVMFS_ALIEN_CACHE', value: cacheOf(sharedCache, account)},
          {name: 'CVMFS_QUOTA_LIMIT', value: '-1'},
        ];
  return [
    ...parameters,
    {name: 'CVMFS_SHARED_CACHE', value: 'no'},
    {name: 'CVMFS_CACHE_BASE', value: `${FOLDER}/cache`},
    {name: 'CVMFS_RELOAD_SOCKETS', value: `${FOLDER}/cache`},
    ...cache,
  ];
}

/** The parameters as a config file of the client, which a shell reads. */
export const configText = (parameters: readonly {name: string; value: string}[], folder: string): string =>
  parameters.map(({name, value}) => `${name}='${value.replaceAll(FOLDER, folder).replaceAll("'", "'\\''")}'\n`).join('');
