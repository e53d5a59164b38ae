/** Where a payload's credentials lie: files that its environment names, and those where they lie by default. */

import {normalize} from 'node:path/posix';
import type {Policy} from '../policy/policy.js';
import type {Call} from './inputs.js';

export interface Credential {
  path: string;
  because: string;
}

/** One may be named twice, and need not be there. */
export function credentialsOf({credentials}: Policy, {identity, environment}: Pick<Call, 'identity' | 'environment'>): Credential[] {
  const uid = String(identity.value.uid);
  const named = credentials.value.flatMap((name) => {
    const path = credentialPath(environment[name]);
    return path === null ? [] : [{path, because: `credential named by ${name}`}];
  });
  return [
    ...named,
    {path: `/tmp/x509up_u${uid}`, because: 'where a proxy certificate lies by default'},
    {path: `/tmp/bt_u${uid}`, because: 'where a bearer token lies by default (WLCG bearer token discovery)'},
    {path: `/tmp/krb5cc_${uid}`, because: 'where a Kerberos ticket lies by default'},
  ];
}

/** The file in the value of a credential variable; KRB5CCNAME may say FILE:, DIR: or DIR:: before it, other kinds are no files. */
function credentialPath(value: string | undefined): string | null {
  const path = value?.replace(/^(?:FILE:|DIR::?)/, '');
  // `..` and a final slash would name the private directory itself, or what lies beside it
  return path?.startsWith('/') === true ? normalize(path).replace(/\/$/, '') : null;
}
