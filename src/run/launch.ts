/** Sends the launch frame: from then on the shim builds the box. */

import type {Groups} from '../cgroup/manager.js';
import {launchStrings, type LaunchContext} from '../engine/launch.js';
import {filterOf} from '../supervise/filter.js';
import {stepsOf} from '../plan/step.js';
import type {Channel} from '../process/channel.js';
import type {Plan} from '../schema/generated/plan-1.js';

/** Sends the shim the launch of a box whose groups and folders are made. */
export function launch(
  {channel, plan, groups}: {channel: Channel; plan: Plan; groups: Groups},
  {id, boxDirectory, mounted, engineArgv}: Pick<LaunchContext, 'id' | 'boxDirectory' | 'mounted' | 'engineArgv'>,
  callerArgvIndex: number | null,
): void {
  const joins = {
    engine: groups.entries('engine'),
    payload: groups.entries('payload'),
    applications: stepsOf(plan, 'application.execute').map(({name}) => groups.entries(`app-${name}`)),
  };
  const keys = launchStrings(plan, {boxDirectory, id, mounted, engineArgv, joins, filter: filterOf(plan), callerArgvIndex});
  channel.send({name: 'launch', keys});
}
