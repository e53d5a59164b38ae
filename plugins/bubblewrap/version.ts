/** What versions of bubblewrap can do, by its release notes. */

/** `--as-pid-1` came with 0.2.0, `--ro-bind-try` and its like with 0.3.1. */
export const LEAST = '0.3.1';

/** Whether a version is at least another; an unknown one is not. */
export function since(version: string | null, wanted: string): boolean {
  const [found, least] = [version ?? '', wanted].map((text) => text.split('.').map(Number));
  for (let index = 0; index < 3; index++) {
    const difference = (found?.[index] ?? 0) - (least?.[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return version !== null;
}

/** A setuid bubblewrap dies of `--size`, `--disable-userns` and `--overlay`. */
export function abilitiesOf(version: string | null, setuid: boolean): string[] {
  const of = (ability: string, has: boolean): string[] => (has ? [ability] : []);
  return [
    ...of('tmpfsSize', !setuid && since(version, '0.7.0')),
    ...of('perms', since(version, '0.5.0')),
    ...of('overlay', !setuid && since(version, '0.11.0')),
    ...of('disableUserns', !setuid && since(version, '0.8.0')),
  ];
}

/** 0.11.2 can be built with support for the setuid bit and without, by default without; 0.12.0 only without. */
export const setuidObstacle = (version: string | null): string | null =>
  since(version, '0.11.2')
    ? `is setuid root, and refuses to run so since 0.11.2 (found ${version ?? '?'}): take the setuid bit away`
    : null;
