/** What the commands of `tare records` have in common. */

import {existsSync} from 'node:fs';
import {Flags} from '@oclif/core';
import type {ExportRecord} from '@tare/contract';
import {errnoOf, TareError} from '../../errors.js';
import {fits, parseMoment, type Filter} from '../../export/filter.js';
import type {ReadEvents} from '../../export/export.js';
import {takeLock} from '../../export/lock.js';
import {exportersPlace, placesOf, sealedPlace} from '../../policy/places.js';
import type {Policy} from '../../policy/policy.js';
import {readPolicy} from '../../files/documents.js';
import {isRunning, processId} from '../../process/process.js';
import {complain} from './output.js';

/** Flags that say where records are. */
export const placeFlags = {
  policy: Flags.string({description: 'policy file instead of /etc/tare/policy.yaml and /etc/tare/policy.d/', helpValue: 'FILE'}),
  spool: Flags.string({description: 'where the records are, instead of the place that the policy names', helpValue: 'DIR'}),
};

/** Flags that say which records are wanted. */
export const filterFlags = {
  since: Flags.string({
    description: 'only records that ended at or after that time: 2026-09-21, 2026-09-21T13:00 (UTC), or 7d (ago)',
    helpGroup: 'WHICH',
    helpValue: 'TIME',
  }),
  until: Flags.string({description: 'only records that ended before that time', helpGroup: 'WHICH', helpValue: 'TIME'}),
  vo: Flags.string({description: 'only records of this VO; * stands for any characters', helpGroup: 'WHICH'}),
  user: Flags.string({description: 'only records of this local account', helpGroup: 'WHICH'}),
  outcome: Flags.string({description: 'only records with this outcome: completed, failed, limit, …', helpGroup: 'WHICH'}),
};

/** The place from which the calling account reads records. */
export interface Place {
  policy: Policy;
  uid: number;
  spools: readonly string[];
}

/** @throws TareError */
export async function openPlace(flags: {policy?: string | undefined; spool?: string | undefined}): Promise<Place> {
  const uid = process.getuid?.() ?? -1;
  const policy = await readPolicy(flags.policy ?? null, uid);
  if (flags.spool !== undefined) return {policy, uid, spools: [flags.spool]};
  const sealed = sealedPlace(policy);
  return {policy, uid, spools: [...(existsSync(sealed) ? [sealed] : []), ...placesOf(policy, uid).spools]};
}

type FilterFlags = Partial<Record<keyof typeof filterFlags | 'state', string | undefined>>;

/** @throws TareError QUANTITY_INVALID */
export function readFilter(flags: FilterFlags): (record: ExportRecord, writtenUs: number) => boolean {
  const nowUs = Date.now() * 1000;
  const moment = (name: 'since' | 'until'): number | null => {
    const written = flags[name];
    return written === undefined ? null : parseMoment(written, nowUs, `--${name}`);
  };
  const filter: Filter = {
    sinceUs: moment('since'),
    untilUs: moment('until'),
    vo: flags.vo ?? null,
    user: flags.user ?? null,
    outcome: flags.outcome ?? null,
    state: flags.state ?? null,
  };
  return (record, writtenUs) => fits(filter, record, writtenUs);
}

/**
 * What cannot be read is said on standard error, and the rest is read.
 * @param mayBeMissing a node that has run no job has no spool
 * @throws TareError SPOOL_UNREADABLE for the spool itself
 */
export function complaining(spools: readonly string[], mayBeMissing = false): ReadEvents {
  return {
    unreadable: (directory, error) => {
      // of several places not all have ever been needed
      if ((spools.length > 1 || mayBeMissing) && errnoOf(error) === 'ENOENT') return;
      if (!spools.includes(directory)) {
        complain(`${directory}: ${error.message}`);
        return;
      }
      throw new TareError('SPOOL_UNREADABLE', {
        message: `the spool cannot be read: ${error.message}`,
        found: directory,
        remedy: 'name another one with --spool',
        cause: error,
      });
    },
    bad: (path, reason) => complain(`${path}: ${reason}`),
  };
}

/** While it works, no other one of this place does. @throws TareError EXPORT_DIRECTORY */
export async function alone<T>({policy, uid}: Place, work: () => Promise<T>): Promise<T> {
  const place = exportersPlace(policy, uid);
  const self = processId(process.pid);
  if (self === null || !existsSync(place)) return work();
  const lock = takeLock(place, self, isRunning);
  if ('owner' in lock) {
    throw new TareError('EXPORT_DIRECTORY', {
      message: `${place} is in use`,
      found: `process ${String(lock.owner.pid)}`,
      remedy: 'wait for it to end',
    });
  }
  try {
    return await work();
  } finally {
    lock.release();
  }
}
