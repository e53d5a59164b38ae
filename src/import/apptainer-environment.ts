/** Variables before a command of apptainer: options by another name, and variables of the payload (docs.apptainer.org, environment). */

import type {Problems} from '../job/problems.js';
import {show} from '../job/show.js';
import {ACTION_OPTIONS, LISTS, optionOf} from './apptainer-options.js';
import type {Draft, Origin} from './draft.js';
import {settingOf, type Option} from './options.js';
import type {Word} from './words.js';

/** Options under which a payload gets nothing of its caller's environment. */
const CLEAN = ['cleanenv', 'containall', 'compat'];
/** Values of these are nobody else's to see. */
const SECRET = /PASS|USERNAME|TOKEN|SECRET|KEY/;

/** An assignment. */
interface Variable {
  name: string;
  value: string;
  origin: Origin;
}

/** The options that variables stand for. One that is also written as option is left, but for lists, to which it adds. */
export function readEnvironment(words: readonly Word[], written: readonly Option[], draft: Draft, problems: Problems): Option[] {
  const options: Option[] = [];
  const callers: Variable[] = [];
  for (const {text, at} of words) {
    const [, name, value = ''] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text) ?? [];
    if (name === undefined) {
      draft.leave({at, as: text}, 'a job runs as its account');
      continue;
    }
    const variable = {name, value, origin: {at, as: SECRET.test(name) ? name : settingOf(name, value)}};
    const [, payloads] = /^(?:APPTAINER|SINGULARITY)ENV_([A-Za-z_]\w*)$/.exec(name) ?? [];
    const [, own] = /^(?:APPTAINER|SINGULARITY)_(\w+)$/.exec(name) ?? [];
    if (payloads !== undefined) draft.variable(payloads, value, variable.origin);
    else if (own === undefined) callers.push(variable);
    else options.push(...optionsOf(own, variable, written, draft, problems));
  }
  const clean = [...options, ...written].find((option) => CLEAN.includes(option.name) && option.value !== 'false');
  for (const {name, value, origin} of callers) {
    if (clean === undefined) draft.variable(name, value, origin);
    else draft.leave(origin, `${clean.origin.as} keeps it from the payload`);
  }
  return options;
}

function optionsOf(own: string, {name, value, origin}: Variable, written: readonly Option[], draft: Draft, problems: Problems): Option[] {
  const option = optionOf(own);
  const isFlag = option !== null && ACTION_OPTIONS.long[option] === 'flag';
  if (option === null) draft.leave(origin, 'it is about apptainer itself');
  else if (!LISTS.includes(option) && written.some((other) => other.name === option))
    draft.leave(origin, 'the option is given too, and counts');
  else if (isFlag && !/^(1|t|true|0|f|false)$/i.test(value))
    problems.invalid({message: `${name} is true or false`, where: origin.at, found: show(value), allowed: 'true, false, 1 or 0'});
  else return [{name: option, value: isFlag ? String(/^(1|t|true)$/i.test(value)) : value, at: origin.at, origin}];
  return [];
}
