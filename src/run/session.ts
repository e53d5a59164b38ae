/** A session of a batch system (`condor_ssh_to_job`) that goes into the live box of its job. */

import {findLiveBox, joinBox, type Joined} from '../box/session.js';
import type {BoxState} from '../box/state.js';
import {rightsStrings} from '../engine/launch.js';
import {launchKey} from '../schema/generated/protocol.js';
import {stepsOf} from '../plan/step.js';
import type {Policy} from '../policy/policy.js';
import type {AttemptContext} from '../prepare/attempt-context.js';
import type {RunResult} from '../prepare/request.js';
import type {Channel} from '../process/channel.js';
import type {Hello} from '../process/hello.js';
import {firstProcessOf} from '../process/tree.js';

/** A session in the live box of its job; null when it has to be run by itself, which is said. */
export async function joinLive({caller, batch}: AttemptContext, policy: Policy, hello: Hello, channel: Channel): Promise<RunResult | null> {
  const live = findLiveBox(policy, caller.uid, batch);
  const joined = live === null ? null : await joinSession(live, hello.cwd, channel);
  if (joined !== null && 'quit' in joined) return {quit: joined.quit, record: null, path: null, messages: [], failure: null, signals: []};
  const why = joined === null ? 'there is no live box of this job' : `${joined.failure.step}: ${joined.failure.text}`.trim();
  channel.send({name: 'say', text: `tare: this session is not in the job's box: ${why}`});
  return null;
}

/** Joins a session to a live box; of several applications, to the first that is not a service. */
function joinSession(live: BoxState, cwd: string, channel: Channel): Promise<Joined> {
  const {plan, payload, applications} = live;
  const first = stepsOf(plan, 'application.execute').find(({system}) => system === null || system.role === 'payload');
  const keeper = applications.find(({name}) => name === first?.name)?.keeper ?? null;
  const inside = first === undefined || keeper === null ? payload : firstProcessOf(keeper);
  const part = first === undefined ? 'payload' : (`app-${first.name}` as const);
  return joinBox(
    {...live, inside},
    [launchKey.callerArguments(1), launchKey.workDirectory(cwd), ...rightsStrings(plan, live.started.user.uid)],
    part,
    channel,
  );
}
