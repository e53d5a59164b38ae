/** An image in the store of an engine: what the engine says of it. Nothing is fetched. */

import {ifPossible, TareError} from '../errors.js';
import {runAbandonable} from '../host/abandon.js';
import {plainName} from '../job/image-name.js';
import type {ImageFound} from '../plan/image.js';
import {nodeArchitecture, runsHere} from './architecture.js';

/** One line, of a template that docker and podman have alike. */
const FORMAT = '{{.Id}} {{.Architecture}} {{json .Config.Volumes}}';
/** podman writes a digest without its algorithm. */
const ANSWER = /^(?:sha256:)?([0-9a-f]{64}) (\S*) (null|\{.*\})$/;

/** What an engine says of an image. */
export interface Stored {
  /** sha256:… of its configuration, which names its contents. */
  digest: string;
  /** As Go calls it; null: it does not say. */
  architecture: string | null;
  /** Directories for which Docker makes volumes of the node's disk, which the payload could write to. */
  volumes: readonly string[];
}

/** Reads the answer to `FORMAT`; null: that is none. */
export function readStored(answer: string): Stored | null {
  const [, digest, architecture = '', text = ''] = ANSWER.exec(answer.trim()) ?? [];
  const config = ifPossible(() => ({volumes: JSON.parse(text) as object | null}));
  if (digest === undefined || config === null) return null;
  return {digest: `sha256:${digest}`, architecture: architecture === '' ? null : architecture, volumes: Object.keys(config.volumes ?? {})};
}

/** What an engine's program says of a failure: its last line that is an error, after warnings of any number; empty: nothing. */
export function saidIn(stderr: string): string {
  const lines = stderr.split('\n').map((line) => line.trim());
  return (lines.findLast((line) => /^error\b/i.test(line)) ?? lines.findLast((line) => line !== '') ?? '').replace(/^error: /i, '');
}

/** An engine with a store, as it is on the node (`Engine.images`). */
export interface Storing {
  name: string;
  /** Of its program. */
  path: string;
  images: 'shown' | 'saved';
}

/**
 * Asks for an image by its whole name. The program is root's, and runs as this process's account with nothing of the job's but the name.
 * @param where where the job names it, for messages
 * @throws TareError IMAGE_UNUSABLE, IMAGE_ARCHITECTURE
 */
export async function lookInStore(image: string, engine: Storing, where: string): Promise<ImageFound> {
  const name = plainName(image);
  const {code, out, error, said} = await runAbandonable(engine.path, ['image', 'inspect', '--format', FORMAT, name], null);
  if (code !== 0) throw notThere(name, engine, where, saidIn(said) || error);
  const stored = readStored(out.toString('utf8'));
  if (stored === null)
    throw new TareError('IMAGE_UNUSABLE', {message: `${engine.name} says nothing of the image that Tare understands`, where, found: name});
  const {digest, architecture, volumes} = stored;
  // of one that is saved there is a view, in which they are directories
  if (engine.images === 'shown' && volumes.length > 0)
    throw new TareError('IMAGE_UNUSABLE', {
      message: 'the image has volumes, which could be written to without a limit',
      where,
      found: `${name}: ${volumes.join(', ')}`,
      allowed: 'an image without VOLUME',
      remedy: `write it to a file (${engine.name} save ${name} -o FILE), and name that as image`,
    });
  if (architecture !== null && !runsHere(architecture))
    throw new TareError('IMAGE_ARCHITECTURE', {
      message: 'the image is for another kind of processor',
      where,
      found: `${name}: ${architecture}`,
      allowed: nodeArchitecture(),
    });
  return {path: image, kind: 'reference', digest, architecture, mount: null, store: engine.name};
}

function notThere(name: string, engine: Storing, where: string, why: string): TareError {
  // docker: No such image; podman: image not known
  const isAbsent = /no such image|image not known/i.test(why);
  return new TareError('IMAGE_UNUSABLE', {
    message: isAbsent
      ? `the image is not in the store of ${engine.name} on this node, and Tare fetches none`
      : `${engine.name} does not say what the image is in its store on this node, and Tare fetches none`,
    where,
    found: `${name}: ${why}`,
    remedy: isAbsent
      ? `have root fetch it (${engine.name} pull ${name}), or name one that is there (${engine.name} images)`
      : `see what it says to root (${engine.name} image inspect ${name})`,
  });
}
