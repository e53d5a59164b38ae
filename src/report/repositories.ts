/** Repositories of CVMFS as a table for people. */

import {formatDuration} from '../job/quantity.js';
import type {UsageRecord} from '../record/record.js';
import {printable} from '../errors.js';
import {renderTable, type Column, type TableOptions} from './table.js';

const COLUMNS = [
  {header: 'repository'},
  {header: 'state'},
  {header: 'revision', align: 'right'},
  {header: 'took', align: 'right'},
  {header: 'client'},
  {header: 'why', wrap: true},
] as const satisfies readonly Column[];

/** @param mount what would mount what the node has not got, and what of it is missing; null: nothing would */
export function renderRepositories(
  root: string,
  repositories: UsageRecord['cvmfs'],
  mount: {client: string; reason: string | null} | null,
  options: TableOptions = {},
): string {
  const mounts =
    mount === null
      ? ''
      : mount.reason === null
        ? `Tare mounts what the node has not got, by ${printable(mount.client)}: whether it can is known when a repository is named\n`
        : `Tare cannot mount what the node has not got: ${printable(mount.reason)}; every job that needs it is refused\n`;
  if (repositories.length === 0) return `nothing is mounted in ${root}, and the policy names no repository\n${mounts}`;
  const rows = repositories.map(({repository, state, revision, probeUs, fileSystem, clientVersion, reason, mounted}) => [
    printable(repository),
    state,
    revision === null ? '-' : String(revision),
    probeUs === null ? '-' : formatDuration(probeUs),
    printable([fileSystem, clientVersion].filter((text) => text !== null).join(' ')) || '-',
    printable(reason ?? (mounted === 'tare' ? 'the node has not got it: Tare mounts it' : '-')),
  ]);
  return renderTable(COLUMNS, rows, options) + mounts;
}
