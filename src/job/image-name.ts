/** Images by their names in the store of an engine on the node. A name of a job is made whole, as Docker does: registry, path, and tag or digest. */

const PREFIX = 'docker://';
const MOST = 255;

/** Grammar of distribution's reference.go: a registry has a dot or a port, or is `localhost`. */
const REGISTRY =
  /^(?:localhost|(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*)(?::[0-9]{1,5})?$/;
const COMPONENT = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** What names have to be, for messages. */
export const NAMES = 'docker://[REGISTRY[:PORT]/]NAME[:TAG][@sha256:…], the name in small letters';

/** Whether an image is named by its name, and not by a path of the node. */
export const isImageName = (image: string): boolean => image.startsWith(PREFIX);

/** The name as engines take it. @param image a whole name, or a part of one */
export const plainName = (image: string): string => image.slice(PREFIX.length);

/**
 * The whole name: `docker://busybox` is `docker://docker.io/library/busybox:latest`.
 * @returns null: it is no name of an image
 */
export function wholeName(image: string): string | null {
  const [text = '', digest, ...more] = plainName(image).split('@');
  if (!isImageName(image) || text.length > MOST || more.length > 0 || (digest !== undefined && !DIGEST.test(digest))) return null;
  const path = text.split('/');
  const [first = ''] = path;
  const isRegistry = path.length > 1 && (/[.:]/.test(first) || first === 'localhost');
  const registry = isRegistry ? first : 'docker.io';
  const rest = isRegistry ? path.slice(1) : path;
  const [last = '', tag, ...others] = rest.pop()?.split(':') ?? [];
  const names = [...(registry === 'docker.io' && rest.length === 0 ? ['library'] : []), ...rest, last];
  if (!REGISTRY.test(registry) || others.length > 0 || (tag !== undefined && !TAG.test(tag)) || !names.every((one) => COMPONENT.test(one)))
    return null;
  const version = tag ?? (digest === undefined ? 'latest' : undefined);
  return `${PREFIX}${[registry, ...names].join('/')}${version === undefined ? '' : `:${version}`}${digest === undefined ? '' : `@${digest}`}`;
}
