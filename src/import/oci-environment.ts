/** Variables of the process of a bundle: a list of `NAME=VALUE`, as environ(7) has them. */

import {VARIABLE} from './environment-file.js';
import type {Bundle} from './oci-bundle.js';
import {settingOf} from './options.js';
import type {Tree} from './tree.js';

/** Reads `process.env`. */
export function readEnvironmentList(tree: Tree, {draft, reader}: Bundle): void {
  for (const {text, tree: one} of reader.texts(tree, 'process.env')) {
    const [name = '', value] = text.split(/=(.*)/s);
    const origin = {at: one.at, as: settingOf(`process.env ${name}`, null)};
    if (value === undefined || name === '') reader.wrong(one, 'not a variable', 'NAME=VALUE');
    else if (VARIABLE.test(name)) draft.variable(name, value, origin);
    else draft.leave(origin, 'a variable of a job has letters, digits, _ and . in its name');
  }
}
