/** Host names of boxes: templates with placeholders, checked before anything is run. */

import {TareError} from '../errors.js';
import {show} from './show.js';

/** What a template may hold, and the longest that stands for it. */
export const PLACEHOLDERS = {n: 99_999, id: '0123456789abcdef', node: null} as const;

/** HOST_NAME_MAX of sethostname(2). */
const LONGEST = 64;
/** RFC 1123, 2.1. */
const LABEL = /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

/** What placeholders of a host name stand for. */
export type HostnameValues = Partial<Record<keyof typeof PLACEHOLDERS, string>>;

/** Fills in what is given, and leaves the rest. */
export const fillHostname = (template: string, values: HostnameValues): string =>
  template.replaceAll(/\{([a-z]+)\}/g, (whole, name: keyof HostnameValues) => values[name] ?? whole);

/**
 * @param where file and JSON pointer
 * @throws TareError DOCUMENT_INVALID for an unknown placeholder, or a name that cannot be a host's whatever is filled in
 */
export function checkHostname(template: string, where: string): void {
  const fail = (message: string, found: string, allowed: string): never => {
    throw new TareError('DOCUMENT_INVALID', {message, where, found, allowed});
  };
  for (const [whole, name = ''] of template.matchAll(/\{([^{}]*)\}/g))
    if (!Object.hasOwn(PLACEHOLDERS, name)) fail('an unknown placeholder in a host name', whole, '{n}, {id}, {node}');
  const longest = fillHostname(template, {n: String(PLACEHOLDERS.n), id: PLACEHOLDERS.id, node: 'n'});
  const wrong = hostnameFault(longest);
  if (wrong !== null)
    fail(
      `the host name ${wrong}`,
      show(template),
      `letters, digits and - in labels with dots between them, ${LONGEST} characters together`,
    );
}

/** What keeps a text from being a host's name, or null. */
export function hostnameFault(name: string): string | null {
  if (name.length > LONGEST) return `is longer than ${LONGEST} characters`;
  return name.split('.').every((label) => LABEL.test(label)) ? null : 'has an invalid label';
}
