/** A supervisor's whole task: meet the shim, run what it was called for, tell the shim how to end. */

import {removeState, STATE_FILE} from '../box/state.js';
import {asTareError, printable} from '../errors.js';
import {Channel} from '../process/channel.js';
import {parseHello, type Hello} from '../process/hello.js';
import {comeTo} from '../process/trace.js';
import type {QuitFrame} from '../schema/generated/protocol.js';
import type {RunRequest, RunResult} from '../prepare/request.js';
import {SupervisorFailed} from './supervisor-failed.js';
import {runJob} from './run.js';

/**
 * @param descriptor of the socket to the shim
 * @param makeRequest from the caller's argv and environment
 * @param report is called before the shim ends, unless nothing was run
 */
export function serve(
  descriptor: number,
  makeRequest: (hello: Hello) => RunRequest,
  report: (result: RunResult) => void = () => undefined,
): Promise<void> {
  return meet(descriptor, async (hello, channel) => {
    const result = await runJob(makeRequest(hello), hello, channel);
    report(result);
    const notRun = result.record?.time.startEpochUs == null;
    if (notRun) for (const message of result.messages) channel.send({name: 'say', text: `tare: ${message}`});
    return {ending: result.quit, forget: result.forget};
  });
}

interface Done {
  ending: QuitFrame['ending'];
  /** The state directory, if it is no longer wanted. */
  forget?: string | undefined;
}

const SENT_TO_ALL = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGXCPU'] as const;

/** Does the supervisor's work, and ends the shim as that says; an error becomes a line and its exit status. */
export async function meet(descriptor: number, work: (hello: Hello, channel: Channel) => Promise<Done>): Promise<void> {
  const channel = new Channel(descriptor);
  // Node ends only when the read that the channel has under way does: a supervisor that failed would never look dead to the shim.
  process.on('exit', () => {
    process.kill(process.pid, 'SIGKILL');
  });
  // a batch system that sends a signal to every process of a job (Slurm) means the payload, which has it from the shim
  for (const name of SENT_TO_ALL) process.on(name, () => undefined);
  const first = await channel.next();
  if (first === null) return; // the shim is gone before it began
  let followed = false;
  try {
    comeTo('met');
    const hello = parseHello(first);
    followed = ['running', 'ended'].includes(hello.state);
    const {ending, forget} = await work(hello, channel);
    const isHeard = channel.send({name: 'quit', ending, last: forget === undefined ? '' : STATE_FILE});
    // the shim removes it, if it is there
    if (!isHeard && forget !== undefined) removeState(forget);
  } catch (error) {
    // a payload runs, and this supervisor cannot take it over: the shim sees to its end without one
    if (followed || error instanceof SupervisorFailed) process.exit(1);
    const trouble = asTareError(error);
    for (const line of trouble.message.split('\n')) channel.send({name: 'say', text: `tare: ${printable(line)}`});
    channel.send({name: 'quit', ending: ['code', trouble.exit], last: ''});
  }
}
