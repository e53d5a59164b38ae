/** Collects what is wrong with one document, so that a person is told everything at once and not one mistake per try. */

import {TareError, TareErrors} from '../errors.js';

/** Nobody reads more; a document of a megabyte can be wrong a hundred thousand times. */
const MOST = 50;

export class Problems {
  readonly #errors: TareError[] = [];

  add(error: TareError): void {
    if (this.#errors.length < MOST) this.#errors.push(error);
  }

  /** The function's value; null when it found something wrong, which is remembered. */
  attempt<T>(make: () => T): T | null {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof TareError)) throw error;
      this.add(error);
      return null;
    }
  }

  throwIfAny(): void {
    const [first, second] = this.#errors;
    if (first !== undefined) throw second === undefined ? first : new TareErrors(this.#errors);
  }
}
