/** The kill switch: while a file exists, every payload is simply executed, by the shim in its own place. */

import {existsSync} from 'node:fs';
import type {BatchJob} from '@tare/contract';
import type {JobFiles} from '../files/job-files.js';
import type {IdentityFacts} from '../host/facts.js';
import type {Policy} from '../policy/policy.js';
import {launchKey} from '../schema/generated/protocol.js';
import type {Channel} from '../process/channel.js';
import type {Hello} from '../process/hello.js';
import {payloadIdentity} from '../prepare/identity.js';
import {loadJob, type Request} from '../prepare/load-job.js';
import type {RunResult} from '../prepare/request.js';

const DEFAULT_SWITCH = '/etc/tare/off';

/** Looked at before the policy is read: it is what a site reaches for when all else is broken. */
export const isDefaultSwitchOn = (): boolean => existsSync(DEFAULT_SWITCH);

/** The file that switches Tare off now; null: none does. @param policy null: it cannot be read */
export function switchOn(policy: Policy | null): string | null {
  if (isDefaultSwitchOn()) return DEFAULT_SWITCH;
  return policy !== null && isSwitchOn(policy) ? policy.killSwitch.value : null;
}

/** Said of a node whose jobs run bare. */
export const switchText = (file: string): string =>
  `the kill switch is on: while ${file} exists every job is executed without box, limits and record`;

/** Whether the file exists that switches Tare off. */
export const isSwitchOn = (policy: Policy): boolean => existsSync(policy.killSwitch.value);

/** @throws TareError when the descriptor cannot be read */
export async function plainExec(
  request: Request,
  batch: BatchJob,
  policy: Policy,
  caller: IdentityFacts,
  files: JobFiles,
  hello: Hello,
  channel: Channel,
): Promise<RunResult> {
  const {job, callerArgvIndex, cameTo} = await loadJob(request, hello.cwd, batch, files);
  const keys = callerArgvIndex === null ? job.command.map(launchKey.argument) : [launchKey.callerArguments(callerArgvIndex)];
  for (const [name, {value}] of Object.entries(job.environment))
    keys.push(value === null ? launchKey.noVariable(name) : launchKey.variable({name, value}));
  keys.push(launchKey.workDirectory(job.workDirectory.value));
  // no box, but not as root either
  const account = (await payloadIdentity(job, policy, caller, cameTo)).value;
  if (account.uid !== caller.uid) keys.push(launchKey.identity(account));
  channel.send({name: 'replace', keys});
  return {quit: ['code', 0], record: null, path: null, messages: [], failure: null, signals: []};
}
