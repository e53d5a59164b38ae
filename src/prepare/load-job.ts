/** The job that is asked for, from its document or its command line, with what the batch system knows of it. */

import {dirname, resolve} from 'node:path';
import type {BatchJob, Engine} from '@tare/contract';
import {nameOf, readNamedJob, readOwnJob} from '../files/documents.js';
import {jobFiles, type JobFiles} from '../files/job-files.js';
import {applyFlags, type JobFlags} from '../job/flags.js';
import type {Job} from '../job/job.js';
import {jobFromCommand, jobFromDocument} from '../job/load.js';
import {accountIn} from './identity.js';

/** The source of the job. */
export type Source =
  | {kind: 'descriptor'; file: string}
  /** `callerArgvIndex`: where the command begins in the caller's argv, which is then passed on byte for byte. */
  | {kind: 'command'; argv: string[]; callerArgvIndex: number | null}
  | {kind: 'plan'; file: string};

/** What the caller wants to be run. */
export interface Request {
  source: Source;
  flags: JobFlags;
  /** The policy file that was named, null for the node's own. */
  policyFile: string | null;
  /** Those that Tare has, in their order. */
  engines: readonly Engine[];
  /** The only one that the caller wants; absent: any that the policy lists. */
  engine?: string | undefined;
  /** Folder of a step whose tasks the box is for: nothing is executed but what they bring. Absent: the box is for the payload. */
  stepDirectory?: string;
}

interface Loaded {
  job: Job;
  callerArgvIndex: number | null;
  /** Where the job was started, when its descriptor came with it; null: the caller has named it, or there is none. */
  cameTo: string | null;
}

/** The job with the batch system's name, VO and owner, which override those of its descriptor. */
export async function loadJob(
  {source, flags}: Request,
  cwd: string,
  {about, lrms, descriptor, pattern}: BatchJob,
  files: JobFiles,
): Promise<Loaded> {
  const load = async (): Promise<Loaded> => {
    if (source.kind === 'plan') throw new TypeError('a plan is no job');
    if (source.kind === 'descriptor') {
      const directory = dirname(resolve(cwd, source.file));
      const document = await readNamedJob(source.file, () => jobFiles(accountIn(directory), directory));
      const job = jobFromDocument(document, {file: nameOf(source.file), callerDirectory: cwd});
      return {job, callerArgvIndex: null, cameTo: null};
    }
    const {argv: command, callerArgvIndex} = source;
    if (descriptor === null || callerArgvIndex === null) return {job: jobFromCommand(command, cwd), callerArgvIndex, cameTo: null};
    const document = await readOwnJob(descriptor.value, files);
    const job = jobFromDocument(document, {file: descriptor.value, callerDirectory: cwd, command});
    return {job, callerArgvIndex: document.command === undefined ? callerArgvIndex : null, cameTo: cwd};
  };
  const {job, callerArgvIndex, cameTo} = await load();
  const known = {...job, name: job.name ?? about.name, vo: about.vo ?? job.vo, queue: lrms.queue ?? job.queue};
  const asked = pattern == null ? known : applyFlags(known, {pattern: pattern.value}, cwd, () => pattern.at);
  return {job: applyFlags(asked, flags, cwd), callerArgvIndex, cameTo};
}
