/** A brain's whole task: meet the front, run the job, tell the front how to end. */

import {asTareError, EXIT} from '../errors.js';
import {Channel} from './channel.js';
import {parseHello, type Hello} from './hello.js';
import type {RunRequest, RunResult} from './request.js';
import {runJob} from './run.js';

/**
 * @param descriptor of the socket to the front
 * @param makeRequest from the caller's argv and environment
 * @param report is called before the front ends, unless nothing was run
 */
export async function serve(
  descriptor: number,
  makeRequest: (hello: Hello) => RunRequest,
  report: (result: RunResult) => void = () => undefined,
): Promise<void> {
  const channel = new Channel(descriptor);
  // Node ends only when the read that the channel has under way does: a brain that failed would never look dead to the front.
  process.on('exit', () => {
    process.kill(process.pid, 'SIGKILL');
  });
  const first = await channel.next();
  if (first === null) return; // the front is gone before it began
  let followed = false;
  try {
    const hello = parseHello(first);
    followed = hello.state === 'running' || hello.state === 'ended';
    const result = await runJob(makeRequest(hello), hello, channel);
    report(result);
    const notRun = result.record?.time.startEpochUs == null;
    if (notRun) for (const message of result.messages) channel.send('Y', `tare: ${message}`);
    const [how, value] = result.quit;
    channel.send('Q', how, String(value));
  } catch (error) {
    // a payload runs, and this brain cannot take it over: the front sees to its end without one
    if (followed) process.exit(1);
    channel.send('Y', `tare: ${asTareError(error).message}`);
    channel.send('Q', 'code', String(EXIT.failure));
  }
}
