/** What a service of a compose file waits for, and when it is started again. */

import type {Origin} from './draft.js';
import type {Reading} from './compose-reading.js';
import {wholeOf} from './amounts.js';
import {settingOf} from './options.js';
import {originOf, type Tree} from './tree.js';

const CONDITIONS = ['service_started', 'service_healthy', 'service_completed_successfully'] as const;

/** `depends_on`: a list of services, or a map with conditions. */
export function readNeeds(tree: Tree, {reader, needs}: Reading, key: string): void {
  if (tree.kind === 'list') {
    for (const {text, tree: one} of reader.texts(tree, key))
      needs.push({service: text, condition: 'service_started', required: true, origin: originOf(key, one)});
    return;
  }
  for (const [service, one] of reader.map(tree, key)?.entries ?? []) {
    const entries = reader.map(one, `${key}.${service}`.slice(0, 60))?.entries;
    const [written, required] = [entries?.get('condition'), entries?.get('required')];
    const text = written === undefined ? 'service_started' : reader.text(written, 'condition');
    const condition = CONDITIONS.find((name) => name === text);
    if (condition === undefined && written !== undefined && text !== null) reader.wrong(written, 'not a condition', CONDITIONS.join(', '));
    needs.push({
      service,
      condition: condition ?? 'service_started',
      required: required === undefined || reader.truth(required, 'required') !== false,
      origin: {at: one.at, as: settingOf(`${key}: ${service}, ${condition ?? ''}`, null)},
    });
  }
}

/** `restart`: `no`, `always`, `unless-stopped`, `on-failure` and `on-failure:N`. */
export function readRestart(tree: Tree, reading: Reading, key: string): void {
  const {reader, draft} = reading;
  const origin = originOf(key, tree);
  // `no` without quotes is text in YAML 1.2, and false in 1.1.
  const text = tree.kind === 'leaf' && tree.value === false ? 'no' : reader.text(tree, key);
  const [, limit] = /^on-failure(?::(\d{1,9}))?$/.exec(text ?? '') ?? [];
  if (text === 'no') draft.leave(origin, 'a payload that has ended is not started again anyway');
  else if (text === 'always' || text === 'unless-stopped') reading.restart = {on: 'always', limit: null, origin};
  else if (text?.startsWith('on-failure') === true && /^on-failure(:\d{1,9})?$/.test(text))
    reading.restart = {on: 'failure', limit: limit === undefined ? null : Number(limit), origin};
  else if (text !== null) reader.wrong(tree, 'not a rule for starting again', 'no, always, unless-stopped, on-failure, on-failure:N');
}

/** `deploy.restart_policy`, which counts before `restart`. */
export function readPolicy(tree: Tree, reading: Reading): void {
  const {reader, draft, problems} = reading;
  const entries = reader.map(tree, 'restart_policy')?.entries ?? new Map<string, Tree>();
  const [written, attempts] = [entries.get('condition'), entries.get('max_attempts')];
  const condition = written === undefined ? 'any' : reader.text(written, 'condition');
  const text = attempts === undefined ? null : reader.text(attempts, 'max_attempts');
  const limit = text === null ? null : problems.attempt(() => wholeOf(text, attempts?.at ?? tree.at));
  const origin: Origin = {at: tree.at, as: settingOf(`deploy.restart_policy: ${condition ?? ''}`, null)};
  if (condition === 'none') {
    reading.restart = null;
    draft.leave(origin, 'a payload that has ended is not started again anyway');
  } else if (condition === 'on-failure' || condition === 'any')
    reading.restart = {on: condition === 'any' ? 'always' : 'failure', limit, origin};
  else if (condition !== null && written !== undefined) reader.wrong(written, 'not a condition', 'none, on-failure, any');
  for (const name of ['delay', 'window']) {
    const one = entries.get(name);
    if (one !== undefined) draft.leave(originOf(`deploy.restart_policy.${name}`, one), 'an application is started again at once');
  }
}
