/** Checks one document of any kind, as `tare run` would. */

import {statSync} from 'node:fs';
import {TareError} from '../errors.js';
import {parseDocument, type Kind} from '../job/document.js';
import {jobFromDocument} from '../job/load.js';
import {migrateRecord} from '../migrate/record.js';
import {show} from '../job/show.js';
import type {Policy} from '../policy/policy.js';
import {policyFromDocuments} from '../policy/load.js';
import {nameOf, readAnyText} from '../files/documents.js';

/** The line that says what a document is, in YAML or JSON; a file without one is taken for a job, and told that it lacks it. */
const KIND = /(?:^|[\s{,])["']?schema["']?\s*:\s*["']?tare\/(job|policy|plan|record)\/(v\d+)?/;

/**
 * @param named `-` for standard input
 * @returns what it is
 * @throws TareError | TareErrors when it is wrong
 */
export async function validateFile(named: string): Promise<string> {
  const text = readAnyText(named);
  const file = nameOf(named);
  const [, kind = 'job', version = ''] = (KIND.exec(text) ?? []) as [string?, Kind?, string?];
  if (kind === 'job') jobFromDocument(await parseDocument({text, file, kind}), {file, callerDirectory: process.cwd()});
  else if (kind === 'policy') checkHere(policyFromDocuments([{file, document: await parseDocument({text, file, kind})}]));
  else await parseDocument({text, file, kind, ...(kind === 'record' ? {migrate: migrateRecord} : {})});
  return `a valid ${kind} (tare/${kind}/${version})`;
}

/** What a document cannot tell. The node that it is for may be another: only what no node can mean is wrong. @throws TareError */
function checkHere({directories: {log}}: Policy): void {
  if (log === null || statSync(log.value, {throwIfNoEntry: false})?.isDirectory() !== true) return;
  throw new TareError('POLICY_CONTRADICTION', {
    message: 'the log is a directory',
    where: log.provenance.at,
    found: show(log.value),
    allowed: 'a file, which is made when there is none',
  });
}
