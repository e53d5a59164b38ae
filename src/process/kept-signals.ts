/** Signals that the shim keeps for a payload that is not launched yet: a wrapper that waits for something is to wait no longer. */

import {TareError} from '../errors.js';
import {signalName} from '../record/wait-status.js';

/** What a batch system or a person sends to end a job; others say nothing about whether it is still wanted. */
const ENDING = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGXCPU'];

/** The reason of an abort: which signal asked for the end. */
export class Interrupted extends Error {
  readonly signal: string;

  constructor(signal: string) {
    super(`${signal} came`);
    this.signal = signal;
  }
}

/** @param how what became of the image meanwhile */
export const interruptedError = (cause: Interrupted, how: 'looked at' | 'unpacked', path: string): TareError =>
  new TareError('INTERRUPTED', {message: `${cause.signal} came while the image was ${how}`, found: path, cause});

/** Notes the first signal that asks for the end, and ends waits because of it. */
export class KeptSignals {
  private name: string | null = null;
  private readonly controller = new AbortController();
  private readonly waiting: ((name: string) => void)[] = [];

  /** A signal has come, by number. One that does not ask for the end is ignored. */
  note(number: number): void {
    const name = signalName(number);
    if (this.name !== null || !ENDING.includes(name)) return;
    this.name = name;
    this.controller.abort(new Interrupted(name));
    for (const resolve of this.waiting.splice(0)) resolve(name);
  }

  /** The first that asks for the end; null until there is one. */
  get first(): string | null {
    return this.name;
  }

  /** For work that looks itself whether it is still wanted; the reason of the abort is an `Interrupted`. */
  get aborted(): AbortSignal {
    return this.controller.signal;
  }

  /** The work's result, or what is made of the first such signal, if that comes before. The work goes on unheeded. */
  async orWhile<T>(work: Promise<T>, otherwise: (name: string) => T): Promise<T> {
    if (this.name !== null) return otherwise(this.name);
    let stop: (name: string) => void = () => undefined;
    const stopped = new Promise<T>((resolve) => {
      stop = (name) => resolve(otherwise(name));
      this.waiting.push(stop);
    });
    try {
      return await Promise.race([work, stopped]);
    } finally {
      const at = this.waiting.indexOf(stop);
      if (at >= 0) this.waiting.splice(at, 1);
    }
  }
}
