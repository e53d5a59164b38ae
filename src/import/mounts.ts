/** Mounts as command lines and compose files write them in short: `SOURCE:TARGET:OPTIONS`, `--mount`, `--tmpfs`, `--device`. */

import {TareError} from '../errors.js';
import type {Problems} from '../job/problems.js';
import {show} from '../job/show.js';
import {sizeOf} from './amounts.js';
import type {Draft, Origin} from './draft.js';
import {placeDevice, placeMount, type Mount} from './places.js';

/** A setting as text. */
interface Setting {
  text: string;
  /** The place of the text. */
  at: string;
  origin: Origin;
}

const invalid = ({text, at}: Setting, message: string, allowed: string): TareError =>
  new TareError('DOCUMENT_INVALID', {message, where: at, found: show(text), allowed});

const VOLUME = 'TARGET, SOURCE:TARGET or SOURCE:TARGET:OPTIONS, with an absolute TARGET';

/** `[SOURCE:]TARGET[:OPTIONS]`. What it is not goes to `problems`. */
export function placeVolume(setting: Setting, draft: Draft, problems: Problems): void {
  const parts = setting.text.split(':');
  const [source, target, options = '']: (string | undefined)[] = parts.length === 1 ? [undefined, ...parts] : parts;
  if (parts.length > 3 || target === undefined || !target.startsWith('/') || source === '') {
    problems.add(invalid(setting, 'not a volume', VOLUME));
    return;
  }
  const words = options === '' ? [] : options.split(',');
  const kind = source !== undefined && /^[./~]/.test(source) ? 'bind' : 'volume';
  // O is podman's: what is written goes to a layer over the source.
  const readOnly = words.includes('ro') || words.includes('O');
  leaveOptions(
    words.filter((word) => word !== 'ro' && word !== 'rw'),
    setting.origin,
    draft,
  );
  placeMount({kind, source: source ?? null, target, readOnly, size: null, origin: setting.origin}, draft);
}

function leaveOptions(words: readonly string[], origin: Origin, draft: Draft): void {
  if (words.length > 0) draft.leave(origin, `Tare has no such options of a mount: ${words.join(',').slice(0, 100)}`);
}

/** `PATH[:OPTIONS]` of a file system in memory. */
export function placeTemporary(setting: Setting, draft: Draft, problems: Problems): void {
  const [target = '', options = ''] = setting.text.split(/:(.*)/s);
  if (!target.startsWith('/')) {
    problems.add(invalid(setting, 'not a directory for a file system in memory', 'PATH or PATH:OPTIONS, with an absolute PATH'));
    return;
  }
  const size = options.split(',').find((word) => word.startsWith('size='));
  const bytes = size === undefined || size.endsWith('%') ? null : problems.attempt(() => sizeOf(size.slice(5), setting.at));
  placeMount({kind: 'tmpfs', source: null, target, readOnly: false, size: bytes, origin: setting.origin}, draft);
}

/** `HOST[:CONTAINER][:PERMISSIONS]`, or a device of the Container Device Interface. */
export function placeDeviceSetting(setting: Setting, draft: Draft, problems: Problems): void {
  const [path = '', second, third] = setting.text.split(':');
  if (setting.text.includes('=')) placeDevice(setting.text, setting.text, setting.origin, draft);
  else if (!path.startsWith('/')) problems.add(invalid(setting, 'not a device', '/dev/NAME, with :PATH and :rwm, or VENDOR/CLASS=NAME'));
  else
    placeDevice(path, second === undefined || (third === undefined && /^[rwm]{1,3}$/.test(second)) ? path : second, setting.origin, draft);
}

const KINDS: Readonly<Record<string, Mount['kind'] | null>> = {
  bind: 'bind',
  volume: 'volume',
  tmpfs: 'tmpfs',
  ramfs: 'tmpfs',
  image: null,
  npipe: null,
  cluster: null,
  glob: null,
  devpts: null,
  artifact: null,
};
const SYNONYMS: Readonly<Record<string, string>> = {src: 'source', dst: 'target', destination: 'target', ro: 'readonly'};

/** `--mount`: `type=bind,source=PATH,target=PATH,readonly`, as comma-separated values (RFC 4180). */
export function placeMountSetting(setting: Setting, draft: Draft, problems: Problems): void {
  const given = new Map<string, string>();
  const others: string[] = [];
  for (const field of fieldsOf(setting.text)) {
    const [written = '', value = 'true'] = field.split(/=(.*)/s);
    const name = Object.hasOwn(SYNONYMS, written) ? (SYNONYMS[written] ?? written) : written.toLowerCase();
    if (['type', 'source', 'target', 'readonly', 'tmpfs-size'].includes(name)) given.set(name, value);
    else others.push(field);
  }
  const type = given.get('type') ?? 'volume';
  const kind = Object.hasOwn(KINDS, type) ? KINDS[type] : undefined;
  const target = given.get('target') ?? '';
  const readOnly = given.get('readonly') ?? 'false';
  if (kind === undefined) problems.add(invalid(setting, `not a type of mount: ${show(type)}`, Object.keys(KINDS).join(', ')));
  else if (kind === null) draft.leave(setting.origin, `Tare has no mounts of type ${type}`);
  else if (!target.startsWith('/')) problems.add(invalid(setting, 'the target of the mount is missing or not absolute', 'target=PATH'));
  else if (!/^(true|false|1|0)$/.test(readOnly)) problems.add(invalid(setting, 'readonly is true or false', 'readonly, readonly=false'));
  else {
    leaveOptions(others, setting.origin, draft);
    const size = given.get('tmpfs-size');
    const bytes = size === undefined ? null : problems.attempt(() => sizeOf(size, setting.at));
    const source = given.get('source') ?? null;
    placeMount({kind, source, target, readOnly: /^(true|1)$/.test(readOnly), size: bytes, origin: setting.origin}, draft);
  }
}

function fieldsOf(text: string): string[] {
  const fields: string[] = [];
  let field = '';
  let quoted = false;
  for (const char of text) {
    if (char === '"') quoted = !quoted;
    else if (char === ',' && !quoted) {
      fields.push(field);
      field = '';
    } else field += char;
  }
  return [...fields, field];
}
