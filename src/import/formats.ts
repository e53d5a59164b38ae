/** The formats that `tare import` reads. A new one is one row. */

import {TareError} from '../errors.js';
import {APPTAINER_FORMAT} from './apptainer.js';
import {COMPOSE_FORMAT} from './compose.js';
import {DOCKER_RUN_FORMAT} from './docker-run.js';
import type {Format} from './format.js';
import {LIBVIRT_FORMAT} from './libvirt.js';
import {LXC_FORMAT} from './lxc.js';
import {NSPAWN_FORMAT} from './nspawn.js';
import {OCI_FORMAT} from './oci.js';
import {OPENVZ_FORMAT} from './openvz.js';

/** In the order in which a text is tried. */
export const FORMATS: readonly Format[] = [
  LIBVIRT_FORMAT,
  LXC_FORMAT,
  DOCKER_RUN_FORMAT,
  COMPOSE_FORMAT,
  OCI_FORMAT,
  OPENVZ_FORMAT,
  NSPAWN_FORMAT,
  APPTAINER_FORMAT,
];

/**
 * The format that is named, or else the one that says that the text is its own.
 * @throws TareError DOCUMENT_KIND when none does, or several do
 */
export function formatOf(text: string, file: string, name: string | null): Format {
  const found = name === null ? FORMATS.filter(({recognises}) => recognises(text, file)) : FORMATS.filter((format) => format.name === name);
  const [first, second] = found;
  if (first !== undefined && second === undefined) return first;
  throw new TareError('DOCUMENT_KIND', {
    message: first === undefined ? 'none of the formats that are read' : 'more than one format',
    where: file,
    found: name ?? (first === undefined ? undefined : found.map((each) => each.name).join(', ')),
    allowed: FORMATS.map((each) => each.name).join(', '),
    remedy: name === null ? 'name the format by --format' : undefined,
  });
}
