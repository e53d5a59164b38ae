/** Lines over TCP, with one deadline for all that is done with a connection. */

import {connect} from 'node:net';
import type {Connection} from '@tare/contract';

const LONGEST_LINE = 64 * 1024;

/** @throws Error when no answer comes in time */
export function connectLines(host: string, port: number, timeoutMs: number): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = connect({host, port});
    let text = '';
    let over = false;
    let waiting: ((line: string | null) => void) | null = null;
    const answer = (): void => {
      const end = text.indexOf('\n');
      if (waiting === null || (end < 0 && !over)) return;
      const resolveLine = waiting;
      waiting = null;
      resolveLine(end < 0 ? null : text.slice(0, end));
      text = text.slice(end + 1);
    };
    const finish = (): void => {
      over = true;
      clearTimeout(deadline);
      socket.destroy();
      answer();
    };
    const deadline = setTimeout(() => {
      finish();
      reject(new Error(`no answer from ${host}:${String(port)} in ${String(timeoutMs)} ms`));
    }, timeoutMs);
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (text.length > LONGEST_LINE) finish();
      answer();
    });
    socket.on('error', (error) => {
      finish();
      reject(error);
    });
    socket.on('close', finish);
    socket.on('connect', () => {
      resolve({
        send: (line) => {
          if (!over) socket.write(line);
        },
        readLine: () =>
          new Promise((resolveLine) => {
            waiting = resolveLine;
            answer();
          }),
        close: finish,
      });
    });
  });
}
