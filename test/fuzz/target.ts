/** What a harness is, and what each of them asks of the code that it feeds. */
import {TareError, TareErrors} from '../../src/errors.js';

export interface Target {
  name: string;
  /** Words of the format, which chance would not find. */
  words: readonly string[];
  /** @throws what is a defect */
  run: (input: Buffer) => unknown;
}

/** @throws Error when it does not hold */
export function holds(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`does not hold: ${what}`);
}

/**
 * Bad input is refused in words: the thing, the place, and what was found or is allowed or to be done.
 * @param others errors that the caller of the code turns into messages
 * @returns what was read; undefined: it was refused
 */
export async function refusing<T>(read: () => T | Promise<T>, ...others: (new (...words: never[]) => Error)[]): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    for (const one of error instanceof TareErrors ? error.errors : [error]) {
      if (others.some((other) => one instanceof other)) continue;
      if (!(one instanceof TareError) || one.kind === 'bug') throw one;
      const {message, where, found, allowed, remedy} = one.details;
      holds(message !== '' && where !== undefined && where !== '', `an error says what and where: ${one.code} ${one.message}`);
      // the YAML library’s words say both
      holds(one.code === 'DOCUMENT_SYNTAX' || (found ?? allowed ?? remedy) !== undefined, `an error says what to do: ${one.message}`);
      holds(!/[\p{Cc}\p{Cf}]/u.test(one.message) && one.message.length < 10_000, `an error is one line: ${one.message.slice(0, 200)}`);
    }
    return undefined;
  }
}

/** Amounts that come from outside are numbers, and none is negative. */
export function amounts(value: unknown, where = ''): void {
  if (typeof value === 'number') holds(Number.isFinite(value) && value >= 0, `${where} is an amount: ${String(value)}`);
  if (typeof value === 'object' && value !== null) for (const [key, inner] of Object.entries(value)) amounts(inner, `${where}/${key}`);
}

/** No input changes what all objects have. */
export function isClean(): void {
  for (const prototype of [Object.prototype, Array.prototype, String.prototype, Number.prototype])
    holds(Object.keys(prototype).length === 0, `prototypes stay as they are: ${Object.keys(prototype).join(', ')}`);
}
