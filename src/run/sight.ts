/** What there is to see of a live box when its decider has to know: each look reads, and changes nothing. */

import {readKills} from '../box/kills.js';
import {scratchDirectory, stateDirectory, type BoxState} from '../box/state.js';
import type {Groups} from '../cgroup/manager.js';
import type {MemoryKills} from '../decide/observation.js';
import {isReady} from '../supervise/ready.js';
import {readServiceLog} from '../supervise/service-log.js';
import {stepsOf, type StepOf} from '../plan/step.js';
import {asksForEnd} from '../record/outcome.js';

/** Answers a decider's questions about one box from files and control groups. */
export class Sight {
  private readonly state: BoxState;
  private readonly groups: Groups;
  private readonly applications: readonly StepOf<'application.execute'>[];

  constructor(state: BoxState, groups: Groups) {
    this.state = state;
    this.groups = groups;
    this.applications = stepsOf(state.plan, 'application.execute');
  }

  /** `tare kill` was called for the job. */
  readonly isKilled = (): boolean => readKills(stateDirectory(this.state.plan, this.state.id)).some(asksForEnd);

  /** The end of what a service has said; null when there is nothing. */
  readonly logOf = (index: number): string | null =>
    readServiceLog(scratchDirectory(this.state.plan, this.state.id), this.applications[index]?.name ?? '');

  /** @param pids of its keeper, and of process 1 of the box; null: not there */
  isReady(index: number, pids: {keeperPid: number | null; initPid: number | null}): boolean {
    const application = this.applications[index];
    return application !== undefined && isReady(application, {plan: this.state.plan, ...pids});
  }

  /** How often the kernel killed in one application for memory, and whether its own limit was hit. */
  killsOf(index: number): MemoryKills {
    const {name = '', limits} = this.applications[index] ?? {};
    const {oomKills, ownLimit} = this.groups.kills(`app-${name}`);
    return {oomKills: oomKills ?? 0, ownLimit: limits?.memory?.enforcement === 'kernel' && (ownLimit ?? 0) > 0};
  }

  /** The same for all applications, in the plan's order. */
  kills(): MemoryKills[] {
    return this.applications.map((_, index) => this.killsOf(index));
  }
}
