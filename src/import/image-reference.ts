/** What a container says of its image. A path on the node is a job's; a name, which means what a store has, is left to people. */

import {posix} from 'node:path';
import {isImageName, wholeName} from '../job/image-name.js';
import type {Draft, Origin} from './draft.js';
import {BOOTS, bootsSystem} from './values.js';

/** Where podman finds images by path (containers-transports(5)). */
const BY_PATH = /^(docker-archive|oci-archive|oci|dir):(\/[^:]*)(?::.*)?$/s;

/** Puts an image, by its name or by `TRANSPORT:PATH`, into a draft. @param engine for the command that writes it to a file */
export function placeImage(reference: string, engine: string, origin: Origin, draft: Draft): void {
  const [, transport, path = ''] = BY_PATH.exec(reference) ?? [];
  if (transport !== undefined && transport !== 'dir' && posix.normalize(path) === path) {
    placeImagePath(path, origin, draft);
    return;
  }
  const name = nameOf(reference, engine);
  const byName = name === null ? '' : `where root’s ${engine} has it and root starts the job, set image: ${name}; else `;
  draft.leave(
    origin,
    `Tare fetches no images: ${byName}write it to a file (${engine} save ${plain(reference)} -o FILE) and set image: FILE`,
  );
}

/** The whole name of an image that is called so; null: it is an id, or Podman's configuration says what a name without a registry means. */
function nameOf(reference: string, engine: string): string | null {
  if (/^(?:sha256:)?[0-9a-f]{6,64}$/.test(reference)) return null;
  const name = isImageName(reference) ? reference : `docker://${reference}`;
  return engine === 'docker' || /^docker:\/\/(?:localhost|[^/]*[.:][^/]*)\//.test(name) ? wholeName(name) : null;
}

/** A path as jobs and policies name it; a star would stand for other paths in a policy. */
const PATH = /^\/(?!(.*\/)?\.\.?(\/|$))[^*\n\r]+$/;

/** Puts the path of an image into a draft; the policy has to allow it. */
export function placeImagePath(path: string, origin: Origin, draft: Draft): void {
  if (!PATH.test(path)) {
    draft.leave(origin, 'a job names its image by an absolute path without .., a star or a line break');
    return;
  }
  draft.field('image', path, origin);
  draft.propose(['images'], [path], origin, 'it has this image');
}

/** Puts a command into a draft; of one that boots a system it is told what to give instead. */
export function placeCommand(words: string[], origin: Origin, draft: Draft): void {
  draft.field('command', words, origin);
  if (bootsSystem(words[0] ?? '')) draft.leave(origin, BOOTS);
}

/** Tells what a command without the image's own may lack. @param command whether words of a command are given */
export function leaveOwnCommand(command: boolean, engine: string, reference: string, origin: Origin, draft: Draft): void {
  const look = BY_PATH.test(reference)
    ? `see skopeo inspect --config ${plain(reference)}`
    : `see ${engine} image inspect ${plain(reference)}`;
  draft.leave(
    origin,
    command
      ? `the image’s own ENTRYPOINT, where it has one, is not known here, and comes before this command: ${look}`
      : `the command is the image’s own (ENTRYPOINT and CMD), which is not known here: ${look}, and set command`,
  );
}

const plain = (reference: string): string => (/^[A-Za-z0-9][\w./:@-]{0,200}$/.test(reference) ? reference : 'IMAGE');
