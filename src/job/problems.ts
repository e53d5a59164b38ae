/** Collects what is wrong with one document, so that a person is told everything at once and not one mistake per try. */

import {TareError, TareErrors, type ErrorDetails} from '../errors.js';

/** Most problems that are told: a document of a megabyte can have a hundred thousand. */
const MOST = 50;

/** Keeps the first errors of a document until all of it was looked at. */
export class Problems {
  readonly #errors: TareError[] = [];

  /** Keeps an error, and drops it when 50 are kept already. */
  add(error: TareError): void {
    if (this.#errors.length < MOST) this.#errors.push(error);
  }

  /** The document does not fit its schema, or what no schema can say. */
  invalid(details: ErrorDetails): void {
    this.add(new TareError('DOCUMENT_INVALID', details));
  }

  /** The function's value; null when it found something wrong, which is remembered. @throws what is no TareError */
  attempt<T>(make: () => T): T | null {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof TareError)) throw error;
      this.add(error);
      return null;
    }
  }

  /** Ends the reading when anything is wrong. @throws TareError the only problem, TareErrors several */
  throwIfAny(): void {
    const [first, second] = this.#errors;
    if (first !== undefined) throw second === undefined ? first : new TareErrors(this.#errors);
  }
}
