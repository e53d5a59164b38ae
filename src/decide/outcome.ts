/** From the observation of an ended box: whether it was built, how the payload ended, and how the wrapper ends. */

import {EXIT} from '../errors.js';
import {NETWORK_STEP, type EndedObservation} from './observation.js';
import {whyNotInBox} from '../plan/covered.js';
import {stepOf} from '../plan/step.js';
import type {Ending as Quit} from '../schema/generated/protocol.js';
import {endedOutcome, isUnexecuted, notRunOutcome, type Kill, type MemoryFigures, type Outcome} from '../record/outcome.js';
import {endText, SIGKILL} from '../record/wait-status.js';
import type {Plan} from '../schema/generated/plan-1.js';

/** Why the box was not built, with what the engine said. */
export function failureText({failure, engine}: EndedObservation, {engine: {name, path}}: Pick<Plan, 'engine'>): string {
  const engineSays = engine?.stderr ?? '';
  const isSilent = failure?.step === 'engine' && engine !== null && engineSays === '';
  const ended = isSilent ? ` (${[name, path ?? [], endText(engine.rawStatus)].flat().join(', ')})` : '';
  const step = failure === null ? 'init never answered' : `${failure.step}: ${failure.text}${ended}`;
  return engineSays === '' || step.includes(engineSays)
    ? step.trim().replaceAll('\n', ' | ')
    : `${step} (${engineSays.replaceAll('\n', ' | ')})`;
}

/** The box was not built (init says of one that was how it ended), nothing of it is left, and it may be tried without. */
export const isSetupFailure = (observed: EndedObservation): boolean =>
  observed.executedUs === null &&
  observed.failure !== null &&
  observed.init === null &&
  observed.verdict === null &&
  observed.engine !== null &&
  observed.failure.step !== NETWORK_STEP &&
  !isPayloadsFault(observed);

/** The file system that was to hold the scratch could not be mounted. */
export const isDisksFault = (observed: EndedObservation): boolean =>
  isSetupFailure(observed) && (observed.failure?.step === 'loop' || observed.failure?.step === 'tmpfs');

/** The image could not be shown with other owners, or no overlay lie over it then (before Linux 5.19). */
export const isIdsFault = (observed: EndedObservation): boolean =>
  isSetupFailure(observed) && (observed.failure?.step === 'shift' || observed.failure?.step === 'overlay');

/** The payload's own fault: it is not there, cannot be executed, or has no place for its output. */
const isPayloadsFault = ({failure}: EndedObservation): boolean => ['exec', 'chdir', 'output'].includes(failure?.step ?? '');

/** Why what is to be executed is not in the box though the node has it. */
function hintOf(plan: Plan): string {
  const [program = ''] = stepOf(plan, 'payload.execute')?.argv ?? [];
  const why = program.startsWith('/') ? whyNotInBox(plan, program) : null;
  return why === null ? '' : `; ${why}`;
}

/** How the job ended. */
export function outcomeOf(observed: EndedObservation, kills: readonly Kill[], memory: MemoryFigures, plan: Plan): Outcome {
  const {init, failure, stop, spared, verdict, noted, shimKilled, executedUs} = observed;
  const killed = observed.applications?.killedForMemory ?? [];
  const fault = stop === null && verdict === null ? (observed.applications?.servicesFault ?? null) : null;
  if (fault !== null && kills.length === 0 && noted.length === 0)
    return notRunOutcome('failed', 'SERVICES_FAILED', `the payload was not run: ${fault.name}: ${fault.reason}`, EXIT.failure);
  if (executedUs === null) {
    if (verdict !== null) {
      return {
        ...notRunOutcome('wrapper-failure', 'ENGINE_FAILED', 'the memory limit is too small to execute anything', EXIT.failure),
        status: 'limit',
        limit: 'memory',
        limitScope: verdict.whose,
        evidence: verdict.evidence,
        code: null,
      };
    }
    if (isPayloadsFault(observed)) {
      return notRunOutcome(
        'failed',
        'PAYLOAD_NOT_EXECUTABLE',
        `the payload could not be executed: ${failure?.text ?? ''}${failure?.step === 'exec' ? hintOf(plan) : ''}`,
        EXIT.notExecutable,
      );
    }
    if (failure?.step === NETWORK_STEP && !shimKilled)
      return notRunOutcome('wrapper-failure', 'NETWORK_FAILED', failure.text, EXIT.failure);
    const reason = shimKilled ? 'the shim was killed before the payload ran' : `the box was not built: ${failureText(observed, plan)}`;
    return notRunOutcome('wrapper-failure', shimKilled ? 'SHIM_KILLED' : 'ENGINE_FAILED', reason, EXIT.failure);
  }
  const unexecuted = observed.applications?.payloadFault ?? null;
  if (unexecuted !== null && verdict === null)
    return notRunOutcome('failed', 'PAYLOAD_NOT_EXECUTABLE', `the payload could not be executed: ${unexecuted}`, EXIT.notExecutable);
  const limited = init === null && observed.engine?.limited === true;
  const outcome = endedOutcome({
    rawStatus: init?.rawStatus ?? (limited ? SIGKILL : null),
    stop: stop === null || stop.limit === 'memory' ? named(stop ?? spared, killed) : stop,
    oom: verdict === null ? null : named({whose: verdict.whose, evidence: verdict.evidence}, killed),
    noted,
    kills,
    callerLost: observed.callerLost,
    memory,
    trouble: init === null && !limited ? troubleOf(observed) : null,
    killedProcesses: init?.killedProcesses ?? null,
  });
  if (limited && outcome.status === 'signalled') return {...outcome, reason: INIT_LIMITED};
  const own = observed.applications?.killedForOwnLimit ?? [];
  if (verdict !== null && own.length > 0) return {...outcome, reason: `over a memory limit of its own: ${own.join(', ')}`};
  const service = observed.applications?.serviceFailure ?? null;
  return service === null || outcome.reason !== null
    ? outcome
    : {...outcome, reason: `the service ${service.name} failed beside it: ${service.reason}`};
}

function troubleOf({shimKilled, unkillable}: EndedObservation): string {
  const lost = shimKilled ? 'the shim was killed' : 'init was killed';
  if (!unkillable) return `${lost}, and the payload with it`;
  return `${shimKilled ? `${lost}, and the payload` : 'it'} could not be killed: a process of it waits in the kernel`;
}

/** Only a process of the payload's uid can have done that; a batch system must not run such a job again. */
const INIT_LIMITED = 'a process of the payload lowered the limit of CPU time of init, which was killed, and all with it';

/** Adds the names of the applications to the evidence. */
const named = <T extends {evidence: string} | null>(what: T, applications: readonly string[]): T =>
  what === null || applications.length === 0 ? what : {...what, evidence: `${applications.join(', ')}: ${what.evidence}`};

/** How the wrapper ends. */
export function quitOf({init, executedUs}: EndedObservation, outcome: Outcome): Quit {
  if (isUnexecuted(outcome)) return ['code', outcome.exitCode ?? EXIT.failure];
  if (init !== null && executedUs !== null) return ['status', init.rawStatus];
  // the payload ran, and how it ended is not known: it was killed with its init
  if (executedUs !== null) return ['signal', SIGKILL];
  return ['code', outcome.exitCode ?? EXIT.failure];
}
