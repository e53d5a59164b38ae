/** Values of options of docker(1): what an option cannot say is refused, so that no part of a path becomes another option. */

/** The value of a `--mount`: fields of one record of CSV as Go reads it (encoding/csv), which changes the ends of lines. @throws Error */
export function mountOption(fields: Readonly<Record<string, string | true>>): string {
  return Object.entries(fields)
    .map(([key, value]) => field(value === true ? key : `${key}=${value}`))
    .join(',');
}

function field(text: string): string {
  if (text.includes('\r')) throw new Error(`mounts no path with a carriage return: ${JSON.stringify(text)}`);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A path in an option whose parts are separated by colons. @throws Error */
export function withoutColon(path: string): string {
  if (path.includes(':')) throw new Error(`mounts nothing there: the path has a colon: ${JSON.stringify(path)}`);
  return path;
}
