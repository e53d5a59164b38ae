/** Checks one document of any kind, as `tare run` would. */

import {parseDocument, type Kind} from '../job/document.js';
import {jobFromDocument} from '../job/load.js';
import {policyFromDocuments} from '../policy/load.js';
import {readText} from '../files/documents.js';

/** The line that says what a document is, in YAML or JSON; a file without one is taken for a job, and told that it lacks it. */
const KIND = /(?:^|[\s{,])["']?schema["']?\s*:\s*["']?tare\/(job|policy|plan|record)\//;

/**
 * @returns what it is
 * @throws TareError | TareErrors when it is wrong
 */
export async function validateFile(file: string): Promise<string> {
  const {text} = readText(file, 'document');
  const kind = (KIND.exec(text)?.[1] ?? 'job') as Kind;
  if (kind === 'job') jobFromDocument(await parseDocument({text, file, kind}), {file, callerDirectory: process.cwd()});
  else if (kind === 'policy') policyFromDocuments([{file, document: await parseDocument({text, file, kind})}]);
  else await parseDocument({text, file, kind});
  return `a valid ${kind} (tare/${kind}/v1)`;
}
