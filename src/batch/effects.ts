/** What plugins may do to the world: to files as the job's account, over connections with a deadline. */

import type {Connection, Effects} from '@tare/contract';

/** @param files the one way to files that a job has named */
export const effects = (files: Omit<Effects, 'connect' | 'monotonicMs' | 'log'>, log: Effects['log']): Effects => ({
  ...files,
  connect,
  monotonicMs: () => performance.now(),
  log,
});

async function connect(host: string, port: number, timeoutMs: number): Promise<Connection> {
  const {connectLines} = await import('./lines.js');
  return connectLines(host, port, timeoutMs);
}
