/** What commands say, on standard output and standard error: whole, whatever exit follows. */

import {writeSync} from 'node:fs';
import {format, getSystemErrorMap} from 'node:util';
import {asTareError, errnoOf, harmlessJson, ifPossible, printable, TareError} from '../../errors.js';
import {standStill} from '../../process/clock.js';

/** Writes one line to standard error, with `tare: ` before it and control characters made visible. */
export function complain(message: string): void {
  sayOnError(`tare: ${printable(message)}`);
}

/** Writes synchronously, since an exit that follows would cut off pending output. A failure to write there cannot be reported. */
export function sayOnError(text: string): void {
  ifPossible(() => {
    const output = new Output(STDERR);
    output.write(text);
    output.flush();
  }); // ENOSPC, EIO
}

/**
 * What oclif prints (help, the version, what is wrong with a command line) and `this.log` of commands, by way of this module: a disk that is
 * full is one line and an exit status then, not a stack of ours.
 */
export function takeConsole(): void {
  console.log = (...words: unknown[]): void => {
    try {
      say(format(...words));
    } catch (error) {
      process.exit(explain(error));
    }
  };
  console.error = console.warn = (...words: unknown[]): void => sayOnError(format(...words));
}

/** One text on standard output, whole whatever exit follows. @returns false when nobody reads any more */
export function say(text: string): boolean {
  const output = new Output();
  output.write(text);
  output.flush();
  return output.isRead;
}

/** JSON in which nothing steers a terminal. @param indent columns; absent: one line */
export const jsonText = (value: unknown, indent?: number): string => harmlessJson(JSON.stringify(value, null, indent));

/** Prints JSON that steers no terminal, indented. */
export function sayJson(value: unknown): void {
  say(jsonText(value, 2));
}

/** @returns the exit status */
export function explain(error: unknown): number {
  const trouble = asTareError(error);
  for (const line of trouble.message.split('\n')) complain(line);
  return trouble.exit;
}

const PIECE = 64 * 1024;
/** Descriptor of standard output. */
export const STDOUT = 1;
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

  /** Whether the output still has a reader; false after EPIPE. */
  get isRead(): boolean {
    return !this.isClosed;
  }

  /** At once and as it is. @returns false when nobody reads any more */
  pass(bytes: Buffer): boolean {
    this.flush();
    this.writeAll(bytes);
    return !this.isClosed;
  }

  /** Writes what is kept, and waits while the pipe is full. @throws TareError OUTPUT_FAILED */
  flush(): void {
    const bytes = Buffer.from(this.text);
    this.text = '';
    this.writeAll(bytes);
  }

  private writeAll(all: Buffer): void {
    let bytes = all;
    while (bytes.length > 0 && !this.isClosed) {
      try {
        bytes = bytes.subarray(writeSync(this.descriptor, bytes));
      } catch (error) {
        const code = errnoOf(error);
        if (code === 'EPIPE') this.isClosed = true;
        // the runtime has made the pipe one that does not block
        else if (code === 'EAGAIN') standStill(PATIENCE_MS);
        else throw unwritable(this.descriptor, code);
      }
    }
  }
}

function unwritable(descriptor: number, code: string | undefined): TareError {
  const [, text] = [...getSystemErrorMap().values()].find(([name]) => name === code) ?? [];
  return new TareError('OUTPUT_FAILED', {
    message: `standard ${descriptor === STDOUT ? 'output' : 'error'} cannot be written`,
    found: text === undefined ? code : `${code ?? ''} (${text})`,
    remedy: 'what was to be done may be done: only what was to be said is cut off',
  });
}
