/** What the readers of a domain's parts have in common. */

import {TareError} from '../errors.js';
import {show} from '../job/show.js';
import type {Draft} from './draft.js';
import {isSecret} from './secret.js';
import type {Element} from './xml.js';

/** What is read of a domain, while it is read. */
export interface Domain {
  draft: Draft;
  root: Element;
  /** A container, and no virtual machine. */
  isContainer: boolean;
}

/** Why nothing is made of the parts of a virtual machine. */
export const MACHINE = 'it is a part of a virtual machine, and a job has none';
const UNKNOWN = 'unknown to this reader';

/** The error of a wrong element. `found` is absent where something is missing. */
export const invalid = (message: string, {at}: Element, allowed: string, found?: string): TareError =>
  new TareError('DOCUMENT_INVALID', {message, where: at, found: show(found), allowed});

/** Why nothing is made of an element; what no table has is unknown. */
export const reasonFor = (name: string, reasons: Readonly<Record<string, string>>): string =>
  (Object.hasOwn(reasons, name) ? reasons[name] : undefined) ?? UNKNOWN;

const ATTRIBUTES: Readonly<Record<string, string>> = {
  arch: 'the program’s own file says for which processor it is',
  machine: MACHINE,
  id: 'it is the number of a domain that runs',
  placement: 'Tare places no CPUs: the batch system and the kernel do',
  current: 'a job’s cores do not change',
  dumpCore: 'it is about dumps of a virtual machine',
  policy: 'a payload has no capabilities, and gains none',
  accessmode: 'files have the owners and modes that they have on the node',
};

/** Leaves all attributes but those that were read. */
export function leaveAttributes(element: Element, read: readonly string[], draft: Draft): void {
  for (const [name, value] of element.attributes) {
    if (read.includes(name)) continue;
    draft.leave({at: element.at, as: `<${element.name} ${name}${isSecret(name) ? '' : `='${value}'`}>`}, reasonFor(name, ATTRIBUTES));
  }
}
