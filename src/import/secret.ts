/** Which values of settings are shown to people: none of credentials. */

const SECRET = /secret|passw|token|cred|key|pwd/i;

/** Whether a setting of this name may hold credentials. */
export const isSecret = (name: string): boolean => SECRET.test(name);

/**
 * What may be shown of a setting's value: of credentials nothing (null), and of `NAME=VALUE` (variables, options of options) with such a
 * name the name.
 */
export function visible(name: string, value: string): string | null {
  if (isSecret(name)) return null;
  const inner = /^["']?([^=\s"']{1,100})=/.exec(value)?.[1];
  return inner !== undefined && isSecret(inner) ? inner : value;
}
