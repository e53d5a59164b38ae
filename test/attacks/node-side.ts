/** What is outside of a box while an attack runs in it. */

import {spawn, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {chmodSync, rmSync} from 'node:fs';
import {createServer, type AddressInfo} from 'node:net';
import {join} from 'node:path';
import {patience} from '../support/pace.js';
import {below, ending, send} from '../support/tare.js';

/** Sockets that the node listens at: abstract, of a pathname, and of TCP on the loopback. `environment` tells an attack where. */
export async function listen(): Promise<{environment: Record<string, string>; close: () => void}> {
  const name = `tare-attack-${process.pid}`;
  const path = join('/run', `${name}.sock`);
  const places = [{path: `\0${name}`}, {path}, {host: '127.0.0.1', port: 0}];
  const servers = await Promise.all(
    places.map(async (place) => {
      const server = createServer((socket) => socket.destroy());
      server.listen(place);
      await once(server, 'listening');
      return server;
    }),
  );
  chmodSync(path, 0o666);
  const {port} = servers.at(-1)?.address() as AddressInfo;
  return {
    environment: {ATTACK_ABSTRACT: name, ATTACK_PATH: path, ATTACK_PORT: String(port)},
    close: () => {
      for (const server of servers) server.close();
      rmSync(path, {force: true});
    },
  };
}

/** Whether it may listen there. */
export const mayListen = (): boolean => process.getuid?.() === 0;

/** The end of a wrapper; one that does not come is made, with all that the wrapper started. */
export async function endingWithin(child: ChildProcess, seconds: number): Promise<{ended: boolean; stdout: string; stderr: string}> {
  let ended = true;
  const timer = setTimeout(() => {
    ended = false;
    for (const {pid} of below(child.pid ?? 0)) send(pid, 'SIGKILL');
  }, seconds * 1000);
  const {stdout, stderr} = await ending(child);
  clearTimeout(timer);
  return {ended, stdout, stderr};
}

/** Runs a command in the box of a wrapper again and again, while it lives; one that an attack keeps from its end is ended. How often it was run. */
export async function execAgain(
  tare: string,
  {times, policy, child, options}: {times: number; policy: string; child: ChildProcess; options: {uid?: number; gid?: number; cwd: string}},
): Promise<number> {
  const limits = {timeout: patience(5000), killSignal: 'SIGKILL'} as const;
  const list = async (): Promise<string> =>
    (await ending(spawn(tare, ['ps', '--json', '--policy', policy], {stdio: ['ignore', 'pipe', 'ignore'], ...limits, ...options}))).stdout;
  // not its output: a process that stays in the box may hold that open
  const enter = (): Promise<unknown> =>
    once(spawn(tare, ['exec', '--policy', policy, id, '--', '/bin/true'], {stdio: 'ignore', ...limits, ...options}), 'exit');
  const lives = (): boolean => child.exitCode === null && child.signalCode === null;
  let [id, done] = ['', 0];
  while (id === '' && lives()) {
    const boxes = JSON.parse((await list()) || '[]') as {id: string; state: string}[];
    id = boxes.find(({state}) => state === 'running')?.id ?? '';
  }
  for (; done < times && lives(); done++) await enter();
  return done;
}
