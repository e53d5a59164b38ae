/** A whole terminal for what changes, and the terminal as it was afterwards, however this process ends. */

import {writeSync} from 'node:fs';
import {ifPossible} from '../../errors.js';

/** xterm's control sequences: the other screen buffer, the cursor, the end of line and screen. */
const ENTER = '\u001B[?1049h\u001B[?25l';
const LEAVE = '\u001B[?25h\u001B[?1049l';
const HOME = '\u001B[H';
const CLEAR_LINE = '\u001B[K';
const CLEAR_BELOW = '\u001B[J';
/** What is too long for the terminal is cut there. */
const NO_WRAP = '\u001B[?7l';
const WRAP = '\u001B[?7h';
const QUIT = ['q', 'Q', '\u0003', '\u0004', '\u001B'];
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/** Takes over the terminal of stdin and stdout at once, until `close`, the exit of this process or a signal. */
export class Screen {
  private open = true;
  private quit = false;
  private wake: (() => void) | null = null;

  constructor() {
    process.on('exit', this.close);
    // an uncaught error ends this process by way of its exit
    for (const name of SIGNALS) process.on(name, this.end);
    process.on('SIGCONT', this.enter);
    process.stdout.on('resize', this.next);
    process.stdin.on('data', this.key).on('end', this.end).on('error', this.end);
    this.enter();
  }

  /** Waits so long, or until the terminal has another size. @returns whether to end */
  async quitWithin(ms: number): Promise<boolean> {
    if (this.quit) return true;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wake = null;
    return this.quit;
  }

  /** As much of the text as there is room for. */
  show(text: string): void {
    // a terminal that does not say has 0
    const rows = process.stdout.rows || Infinity;
    const lines = text
      .trimEnd()
      .split('\n')
      .slice(0, Math.max(1, rows - 1));
    this.write(HOME + NO_WRAP + lines.map((line) => line + CLEAR_LINE).join('\r\n') + CLEAR_BELOW + WRAP);
  }

  /** Gives the terminal back as it was. May be called again. */
  readonly close = (): void => {
    if (!this.open) return;
    this.open = false;
    process.off('exit', this.close);
    for (const name of SIGNALS) process.off(name, this.end);
    process.off('SIGCONT', this.enter);
    process.stdin.setRawMode(false);
    process.stdin.pause();
    this.write(LEAVE);
  };

  private readonly enter = (): void => {
    process.stdin.setRawMode(true);
    this.write(ENTER);
  };

  private readonly key = (bytes: Buffer): void => {
    if (QUIT.includes(bytes.toString('latin1'))) this.end();
  };

  private readonly end = (): void => {
    this.quit = true;
    this.next();
  };

  private readonly next = (): void => this.wake?.();

  /** Writes synchronously, so that nothing is pending when the process ends. Errors of a terminal that is gone are ignored. */
  private write(text: string): void {
    ifPossible(() => writeSync(1, text)); // EIO, EAGAIN
  }
}
