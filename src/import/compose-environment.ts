/** Variables of a service of a compose file. */

import {TareError} from '../errors.js';
import {show} from '../job/show.js';
import {plainText} from './compose-plain.js';
import {calledIn, readAssignments, VARIABLE} from './environment-file.js';
import type {Reading} from './compose-reading.js';
import type {Origin} from './draft.js';
import {settingOf} from './options.js';
import type {Tree} from './tree.js';

const CALLERS = 'a payload has the variables of its caller';
const NAMES = 'a variable of a job has letters, digits, _ and . in its name';

/** A map of names and values, or a list of `NAME=VALUE` and `NAME`. */
export function readEnvironment(tree: Tree, {reader, draft}: Reading, key: string): void {
  const place = (name: string, value: string | null, at: string): void => {
    const origin: Origin = {at, as: settingOf(`${key}: ${name}`, null)};
    if (value === null) draft.leave(origin, CALLERS);
    else if (VARIABLE.test(name)) draft.variable(name, value, origin);
    else draft.leave(origin, NAMES);
  };
  if (tree.kind === 'list') {
    for (const {text, tree: one} of reader.texts(tree, key)) {
      const [name = '', value = null] = text.split(/=(.*)/s);
      if (name === '') reader.wrong(one, 'a variable without a name', 'NAME=VALUE, NAME');
      else place(name, value, one.at);
    }
    return;
  }
  for (const [name, one] of reader.map(tree, key)?.entries ?? []) {
    if (one.kind !== 'leaf') reader.wrong(one, `the variable ${name} is not a single value`, 'text, a number or nothing');
    else {
      const text = one.plain === undefined || one.variables !== undefined ? null : plainText(one.plain);
      place(name, one.value === null ? null : (text ?? String(one.value)), one.at);
      if (text !== null && one.value !== null && VARIABLE.test(name))
        draft.leave(
          {at: one.at, as: settingOf(`${key}: ${name}`, one.plain ?? null)},
          `the text as it is written: without quotes compose reads a value, and the container gets ${show(text)}`,
        );
    }
  }
}

/** Paths, each alone or as a map of path, required and format. */
export function readFiles(tree: Tree, reading: Reading, key: string): void {
  const {reader} = reading;
  for (const one of tree.kind === 'list' ? tree.items : [tree]) {
    const entries = one.kind === 'map' ? one.entries : null;
    const path = reader.text(entries?.get('path') ?? one, `an entry of ${key}`);
    const [required, format] = [entries?.get('required'), entries?.get('format')];
    const isRequired = required === undefined || reader.truth(required, 'required') !== false;
    const isRaw = format !== undefined && reader.text(format, 'format') === 'raw';
    if (path !== null) readFile(path, one, isRequired, isRaw, reading);
  }
}

function readFile(path: string, tree: Tree, required: boolean, raw: boolean, {foreign, draft, problems, project}: Reading): void {
  const text = foreign.read(path);
  if (text === null && required)
    problems.add(
      new TareError('DOCUMENT_UNREADABLE', {
        message: 'the file of variables cannot be read',
        where: tree.at,
        found: show(path),
        allowed: 'a file, relative to the compose file',
      }),
    );
  if (text === null) {
    if (!required) draft.leave({at: tree.at, as: settingOf(`env_file: ${path}`, null)}, 'there is no such file, and it need not be there');
    return;
  }
  const lookup = raw ? null : (name: string): string | null => project.variables.get(name)?.value ?? null;
  for (const assignment of problems.attempt(() => readAssignments(text, path, lookup, problems)) ?? []) {
    const {name, value, unknown} = assignment;
    const origin = calledIn(assignment);
    if (unknown !== null) draft.leave(origin, `the variable ${unknown} has no value here and no default`);
    else if (value === null) draft.leave(origin, CALLERS);
    else if (VARIABLE.test(name)) draft.variable(name, value, origin);
    else draft.leave(origin, NAMES);
  }
}
