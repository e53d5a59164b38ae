/** What a client of Tare's own tells by its socket, as cvmfs_talk asks it. */

import {closeSync, constants, openSync} from 'node:fs';
import {net} from '../builtin.js';
import {join} from 'node:path';
import type {OwnMount} from '../cvmfs/classify.js';

const DEADLINE_MS = 1000;
/** Most bytes of an answer, which has some 20 KiB. */
const ANSWER_MAX = 2 ** 18;
/** Each counts tries that failed and were made again: at the same place, by another proxy, from another server. */
const AGAIN = /^download(?:-external)?\.(?:n_retries|n_proxy_failover|n_host_failover)\|(\d{1,15})\|/gm;

/** Tries to fetch something that failed and were made again; null: it does not tell. */
export async function timeoutsOf({folder}: OwnMount, repository: string): Promise<number | null> {
  const counts = [...(await ask(join(folder, 'cache', repository), `cvmfs_io.${repository}`)).matchAll(AGAIN)];
  return counts.length === 0 ? null : counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

/** The answer, or what came of it in time. The directory is the client's account's. */
function ask(directory: string, name: string): Promise<string> {
  let held: number;
  try {
    held = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch {
    return Promise.resolve('');
  }
  return new Promise((resolve) => {
    let text = '';
    // the whole path may be longer than an address can be
    const socket = net().connect(`/proc/self/fd/${String(held)}/${name}`);
    const settle = (): void => {
      clearTimeout(timer);
      socket.destroy();
      closeSync(held);
      held = -1;
      resolve(text);
    };
    const timer = setTimeout(settle, DEADLINE_MS);
    const once = (): void => {
      if (held >= 0) settle();
    };
    socket.on('connect', () => socket.write('internal affairs'));
    socket.setEncoding('utf8').on('data', (more: string) => {
      text += more;
      if (text.length > ANSWER_MAX) once();
    });
    socket.on('close', once);
    socket.on('error', once);
  });
}
