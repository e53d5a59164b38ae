/** A repository that Tare mounts itself: mounted, looked at, and ended again where it cannot be used. */

import {lstatSync} from 'node:fs';
import {dirname} from 'node:path';
import {readAnswer} from '../cvmfs/answer.js';
import {entryOf, classify, type Entry, type ProbeResult, type Wanted} from '../cvmfs/classify.js';
import {proxiesIn} from '../cvmfs/proxies.js';
import type {StepOf} from '../plan/step.js';
import {epochUs, monotonicUs} from '../process/clock.js';
import {KeptSignals} from '../process/kept-signals.js';
import type {Log} from '../process/log.js';
import {configRepositoryOf, placeOf, type ConfigPlace} from './config-repository.js';
import {errorsOf, examineRepository, lookAtMount, notWaited} from './look-once.js';
import {endOwn, lastWords, mountOwn, type Context} from './own.js';
import {deadOf, inBestOrder} from './proxies.js';

type Mount = StepOf<'cvmfs.mount'>;

/** What a client that Tare starts finds of the configuration repository. */
export interface Configuration {
  place: ConfigPlace | null;
  /** null: there is none. */
  entry: Entry | null;
}

/** The finding of a client without a configuration repository. */
export const NO_CONFIGURATION: Configuration = {place: null, entry: null};

/** How the configuration repository of a client is found. */
export type Finding = (step: Mount) => Promise<Configuration>;

/** Why a box could not show what is mounted there; null: it can. */
export function obstacleOf(root: string, isView: boolean): string | null {
  if (lstatSync(root, {throwIfNoEntry: false}) !== undefined) return null;
  // enter makes one right below /, but what lies above a layer is not in the layer
  if (isView) return `the view of the node needs a directory ${root} there: make it, empty`;
  if (dirname(root) === '/') return null;
  return `the box needs a directory ${root} on the node, since it does not lie right below /: make it, empty`;
}

interface How {
  obstacle?: string | null;
  kept?: KeptSignals;
  /** Where it is kept which proxies do not answer. */
  proxies?: string | null;
  configuration: Finding;
}

/** Mounts it and looks at that; what cannot be used then is not kept. */
export async function tryOwn(
  wanted: Wanted,
  step: Mount,
  context: Context,
  {obstacle = null, kept = new KeptSignals(), proxies = null, configuration}: How,
): Promise<ProbeResult> {
  const {repository} = wanted;
  const {identity} = context;
  const {place, entry: configEntry} = obstacle === null ? await configuration(step) : NO_CONFIGURATION;
  const beganUs = monotonicUs();
  const mount = {...step, parameters: await withBestProxies(step, proxies, context.log)};
  const own = obstacle ?? (await mountOwn(mount, context, place));
  if (typeof own === 'string') {
    const answer = {...readAnswer(''), epochUs: epochUs(), us: monotonicUs() - beganUs};
    return {entry: entryOf(wanted, answer, {state: 'broken', reason: `Tare could not mount it: ${own}`}), errors: null};
  }
  const leftUs = Math.max(1, mount.deadlineUs - (monotonicUs() - beganUs));
  const answer = await kept.orWhile(lookAtMount(own, repository, identity, leftUs), notWaited);
  const verdict = classify(answer, wanted);
  if (verdict.state === 'ok') return {entry: entryOf(wanted, answer, verdict, true), errors: errorsOf(answer), own};
  const words = lastWords(own);
  await endOwn([{own, entry: entryOf(wanted, answer, verdict)}]);
  const said = words === null ? '' : `; its client said: ${words}${await meaningOf(words, step)}`;
  const without =
    configEntry === null || place !== null
      ? ''
      : `; without the configuration repository ${configEntry.repository}: ${configEntry.reason ?? configEntry.state}`;
  const reason = `mounted by Tare (${mount.client}): ${verdict.reason ?? verdict.state}${said}${without}`;
  return {entry: {...entryOf(wanted, answer, {state: verdict.state, reason}), mounted: null, fileSystem: null}, errors: null};
}

const PROXIES = 'CVMFS_HTTP_PROXY';
const SERVERS = 'CVMFS_SERVER_URL';

/** @param file where it is kept what does not answer; null: nowhere */
const withBestProxies = ({parameters}: Mount, file: string | null, log: Log): Promise<Mount['parameters']> =>
  Promise.all(parameters.map(async ({name, value}) => ({name, value: name === PROXIES ? await inBestOrder(value, file, log) : value})));

/** A client that reaches no server says only that it has no catalog. */
async function meaningOf(words: string, {repository, parameters, config}: Mount): Promise<string> {
  if (!/catalog|manifest|host serving|proxy/i.test(words)) return '';
  const value = (name: string): string | undefined => parameters.find((one) => one.name === name)?.value;
  const shown = (name: string): string => value(name) ?? `as in ${config.join(', ')}`;
  const proxies = value(PROXIES) ?? '';
  const servers = /(^|[|;])DIRECT([|;]|$)/.test(proxies) ? (value(SERVERS) ?? '').replaceAll('@fqrn@', repository).split(';') : [];
  const dead = (await Promise.all([deadOf(proxiesIn(proxies)), deadOf(servers)])).map((found) =>
    Object.entries(found).map(([url, because]) => `${url} (${because})`),
  );
  const silent = ['proxy', 'server'].flatMap((what, index) => (dead[index] ?? []).map((one) => `the ${what} ${one} does not answer`));
  return `: it could not fetch the catalog, or not believe it; ${[...silent, `proxies: ${shown(PROXIES)}`, `servers: ${shown(SERVERS)}`].join(', ')}`;
}

/** For `tare doctor`: mounts it, looks at it, and ends all of that. */
export async function examineOwn(mount: Mount, minimumRevision: number | null, context: Context): Promise<Entry> {
  const name = configRepositoryOf(mount);
  const config: ProbeResult[] = [];
  const configuration = async (): Promise<Configuration> => {
    if (name === null) return NO_CONFIGURATION;
    const entry = await examineRepository(mount.root, name, mount.deadlineUs, null);
    const none = (): Promise<Configuration> => Promise.resolve(NO_CONFIGURATION);
    const wanted = {repository: name, minimumRevision: null};
    const found =
      entry.state === 'absent' ? await tryOwn(wanted, {...mount, repository: name}, context, {configuration: none}) : {entry, errors: null};
    config.push(found);
    return {place: placeOf(found, mount.root), entry: found.entry};
  };
  const looked = await tryOwn({repository: mount.repository, minimumRevision}, mount, context, {configuration});
  await endOwn([looked, ...config]);
  return looked.entry;
}
