/** Reads fields of a document of any origin: what is not of its type is an Error that names the field. Pure. */

/** A JSON object of which nothing is known yet. */
export type JsonObject = Record<string, unknown>;

/** Whether a value is there, and neither null nor false. */
export const isGiven = (value: unknown): boolean => value !== undefined && value !== null && value !== false;

/** What was found where, and what may be there. */
export function wrong(pointer: string, found: unknown, allowed: string): Error {
  return new Error(`#${pointer}: found ${found === undefined ? 'nothing' : JSON.stringify(found).slice(0, 80)}; allowed ${allowed}`);
}

/** A map. @throws Error when it is something else */
export function tree(value: unknown, pointer: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(pointer, value, 'a map');
  return value as JsonObject;
}

/** A list; empty: there is none. @throws Error when it is something else */
export function list(value: unknown, pointer: string): unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw wrong(pointer, value, 'a list');
  return value;
}

/** A text that has to be there. @throws Error when it is something else */
export function text(of: JsonObject, key: string, pointer: string): string {
  const value = of[key];
  if (typeof value !== 'string' || value === '') throw wrong(`${pointer}/${key}`, value, 'a text');
  return value;
}

/** A text, or null. @throws Error when it is something else */
export function name(of: JsonObject, key: string, pointer: string): string | null {
  const value = of[key] ?? null;
  if (value !== null && typeof value !== 'string') throw wrong(`${pointer}/${key}`, value, 'a text or null');
  return value;
}

/** A number, or null. @throws Error when it is something else */
export function number(of: JsonObject, key: string, pointer: string): number | null {
  const value = of[key] ?? null;
  if (value !== null && (typeof value !== 'number' || !Number.isFinite(value))) throw wrong(`${pointer}/${key}`, value, 'a number or null');
  return value;
}

/** A whole number, or null. @throws Error when it is something else */
export function integer(of: JsonObject, key: string, pointer: string): number | null {
  const value = number(of, key, pointer);
  if (value !== null && !Number.isSafeInteger(value)) throw wrong(`${pointer}/${key}`, value, 'an integer or null');
  return value;
}

/** A whole number that is not negative, or null. @throws Error when it is something else */
export function count(of: JsonObject, key: string, pointer: string): number | null {
  const value = integer(of, key, pointer);
  if (value !== null && value < 0) throw wrong(`${pointer}/${key}`, value, '0 or more, or null');
  return value;
}

/** Several members of one object, each read in the same way. */
export const each = <Key extends string, T>(
  read: (of: JsonObject, key: string, pointer: string) => T,
  of: JsonObject,
  pointer: string,
  ...keys: readonly Key[]
): Record<Key, T> => Object.fromEntries(keys.map((key) => [key, read(of, key, pointer)])) as Record<Key, T>;
