/** Places in documents: `FILE#/json/pointer` (RFC 6901). */

/** Gives the place of a JSON pointer, in the file that says something there. */
export type Locate = (pointer: string) => string;

/** The place of a pointer in a file; the whole document is the file's name alone. */
export const at = (file: string, pointer: string): string => (pointer === '' ? file : `${file}#${pointer}`);

/** One more step of a pointer. */
export function below(pointer: string, key: string | number): string {
  return `${pointer}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** The pointer of the map or list that holds this one; null for the whole document. */
export const parentOf = (pointer: string): string | null => (pointer === '' ? null : pointer.slice(0, pointer.lastIndexOf('/')));
