/** What commands say, on standard output and standard error: whole, whatever exit follows. */

import {writeSync} from 'node:fs';
import {asTareError} from '../../errors.js';

export function complain(message: string): void {
  // at once: what waits in a pipe is cut off by the exit that may follow
  const output = new Output(STDERR);
  output.write(`tare: ${message.replaceAll(/[\p{Cc}\p{Cf}]/gu, '?')}`);
  output.flush();
}

/** One text on standard output, whole whatever exit follows. */
export function say(text: string): void {
  const output = new Output();
  output.write(text);
  output.flush();
}

/** @returns the exit status */
export function explain(error: unknown): number {
  const trouble = asTareError(error);
  for (const line of trouble.message.split('\n')) complain(line);
  return trouble.exit;
}

const PIECE = 64 * 1024;
const STDOUT = 1;
const STDERR = 2;
const PATIENCE_MS = 5;

/** Standard output for a million lines: in pieces, never more of it in memory than one, and all of it written before an exit. */
export class Output {
  private text = '';
  private isClosed = false;
  private readonly descriptor: number;

  constructor(descriptor = STDOUT) {
    this.descriptor = descriptor;
  }

  /** @returns false when nobody reads any more */
  write(line: string): boolean {
    this.text += `${line}\n`;
    if (this.text.length >= PIECE) this.flush();
    return !this.isClosed;
  }

  flush(): void {
    let bytes = Buffer.from(this.text);
    this.text = '';
    while (bytes.length > 0 && !this.isClosed) {
      try {
        bytes = bytes.subarray(writeSync(this.descriptor, bytes));
      } catch (error) {
        const {code} = error as NodeJS.ErrnoException;
        if (code === 'EPIPE') this.isClosed = true;
        // the runtime has made the pipe one that does not block
        else if (code === 'EAGAIN') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PATIENCE_MS);
        else throw error;
      }
    }
  }
}
