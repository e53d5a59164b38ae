/** Values of apptainer's options: binds, the home directory, variables (docs.apptainer.org, user guide). */

import type {Problems} from '../job/problems.js';
import {show} from '../job/show.js';
import type {Draft} from './draft.js';
import type {Foreign} from './format.js';
import {pathIn} from './image.js';
import type {Option} from './options.js';
import {placeMount} from './places.js';

/** A directory of the node in the container. */
export interface Bind {
  source: string;
  target: string;
}

/** Options of a bind, which a comma may separate as it separates binds. */
const BIND_OPTION = /^(ro|rw|image-src=.*|id=.*)$/s;

/** Reads `SOURCE[:TARGET[:OPTIONS]]`, several with commas between them; a backslash keeps a colon or a comma. */
export function readBinds({value, at, origin}: Option, foreign: Foreign, draft: Draft, problems: Problems): Bind[] {
  const binds: Bind[] = [];
  const items: string[] = [];
  for (const item of split(value ?? '', ',')) {
    if (BIND_OPTION.test(item) && items.length > 0) items.push(`${items.pop() ?? ''},${item}`);
    else items.push(item);
  }
  for (const item of items) {
    const [written = '', given = '', options = '', ...more] = split(item, ':').map((part) => part.replaceAll(/\\([:,\\])/g, '$1'));
    const source = pathIn(foreign, written);
    const target = given === '' ? source : given;
    const words = options === '' ? [] : options.split(',');
    const isKnown = words.every((word) => BIND_OPTION.test(word));
    if (source === '' || more.length > 0 || !isKnown || (source.startsWith('/') && !target.startsWith('/'))) {
      const allowed = 'SOURCE, SOURCE:TARGET or SOURCE:TARGET:OPTIONS, with absolute paths and ro or rw';
      problems.invalid({message: 'no directory to bind', where: at, found: show(item), allowed});
    } else if (words.some((word) => word.startsWith('image-src=')))
      draft.leave(origin, 'Tare mounts no part of a disk image: copy the files out of it');
    else {
      placeMount({kind: 'bind', source, target, readOnly: words.includes('ro'), size: null, origin}, draft);
      if (source.startsWith('/')) binds.push({source, target});
    }
  }
  return binds;
}

/** Parts of a text, without those signs that a backslash keeps; backslashes stay. */
function split(text: string, sign: ',' | ':'): string[] {
  const parts = [''];
  for (const [one] of text.matchAll(/\\.|[^\\]|\\$/gsu)) {
    if (one === sign) parts.push('');
    else parts.push((parts.pop() ?? '') + one);
  }
  return parts;
}

/** The directory of the node that a path of the container is, through the bind that is nearest to it; null: through none. */
export function onNode(path: string, binds: readonly Bind[]): string | null {
  const inside = binds.filter(({target}) => path === target || path.startsWith(`${target.replace(/\/$/, '')}/`));
  const [nearest] = inside.sort((a, b) => b.target.length - a.target.length);
  if (nearest === undefined) return null;
  const found = nearest.source.replace(/\/$/, '') + path.slice(nearest.target.replace(/\/$/, '').length);
  return found === '' ? '/' : found;
}

/** Reads `--home SOURCE[:TARGET]`: the directory, and HOME, which names it. */
export function readHome({value, at, origin}: Option, foreign: Foreign, draft: Draft, problems: Problems): Bind[] {
  const [written = '', given, ...more] = split(value ?? '', ':');
  const source = pathIn(foreign, written);
  const target = given ?? source;
  if (source === '' || more.length > 0) {
    problems.invalid({message: 'no home directory', where: at, found: show(value), allowed: 'DIRECTORY or SOURCE:TARGET'});
    return [];
  }
  placeMount({kind: 'bind', source, target: source, readOnly: false, size: null, origin}, draft);
  if (!source.startsWith('/')) return [];
  draft.variable('HOME', source, origin);
  if (target !== source)
    draft.leave(origin, `a box has directories of the node at their own paths: HOME is ${source} in place of ${target}`);
  return [{source, target}];
}

/** Reads `--env NAME=VALUE`, several with commas between them; quotation marks keep a comma (pflag, StringToString). */
export function readVariables({value, at, origin}: Option, draft: Draft, problems: Problems): void {
  const text = value ?? '';
  const pairs = text.split('=').length === 2 ? [text.replaceAll(/^"+|"+$/g, '')] : fieldsOf(text);
  for (const pair of pairs) {
    const [, name = '', content = ''] = /^([^=]*)=(.*)$/s.exec(pair) ?? [];
    if (/^[A-Za-z_][A-Za-z0-9_.]*$/.test(name)) draft.variable(name, content, origin);
    else
      problems.invalid({message: 'no variable with a value', where: at, found: show(pair), allowed: 'NAME=VALUE, or several with commas'});
  }
}

/** Fields of comma-separated values (RFC 4180), in which two quotation marks are one. */
function fieldsOf(text: string): string[] {
  const fields = [''];
  let isQuoted = false;
  for (const [sign] of text.matchAll(/""|./gsu)) {
    if (sign === '""' && isQuoted) fields.push(`${fields.pop() ?? ''}"`);
    else if (sign === '"') isQuoted = !isQuoted;
    else if (sign === ',' && !isQuoted) fields.push('');
    else if (sign !== '""') fields.push((fields.pop() ?? '') + sign);
  }
  return fields;
}
