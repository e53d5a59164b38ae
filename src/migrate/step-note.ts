/** A note of a task whose wrapper is of version 0.1.0, as this version reads it: the shim had another name there. */

/** @param note as it was read; what is no such note is given back as it is */
export function migrateStepNote(note: unknown): unknown {
  const {front, ...rest} = Object(note) as {front?: unknown};
  return front === undefined ? note : {...rest, shim: front};
}
