/** Where a payload's credentials lie: files that its environment names, and those where they lie by default. */

import {normalize} from 'node:path/posix';
import type {Valued} from '../job/job.js';
import {liesIn} from '../policy/glob.js';
import type {Policy} from '../policy/policy.js';
import {isCovered, isNeverWritable} from './covered.js';
import type {Call, Inputs} from './inputs.js';
import {RUN} from './run.js';

/** Private directories in which a credential can lie. Neither they themselves nor /proc and /dev are ever brought back: that would undo them. */
const HIDES_CREDENTIALS = ['/tmp', '/var/tmp', '/dev/shm', RUN] as const;

/** A path that is hidden from the payload, and the reason. */
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

/** Credential files that a private directory would hide. A file elsewhere is visible as it is, but in an image: then `all` are needed. */
export function planCredentials({policy, call}: Inputs, writable: Valued<string>[], all: boolean): Credential[] {
  // in /run a name could lead to a socket of a service
  const candidates = credentialsOf(policy, call).filter(({path}) => !liesIn(path, RUN) || call.run?.includes(path) === true);
  const isHidden = (path: string): boolean => HIDES_CREDENTIALS.some((directory) => path.startsWith(`${directory}/`));
  const hidden = candidates.filter(({path}) => isHidden(path) || (all && !isNeverWritable(path) && !isCovered(path)));
  return hidden.filter(({path}, index) => {
    const first = hidden.findIndex((other) => other.path === path) === index;
    // what lies below another is bound with it, or cannot be there
    const alone = !hidden.some((other) => other.path !== path && liesIn(path, other.path));
    return first && alone && !writable.some(({value}) => liesIn(path, value));
  });
}
