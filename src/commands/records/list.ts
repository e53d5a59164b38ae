import {Flags} from '@oclif/core';
import type {ExportRecord} from '@tare/contract';
import {readRecords, type Opened} from '../../export/export.js';
import {openExporters} from '../../export/registry.js';
import {isClosed} from '../../export/view.js';
import {formatBytes, formatDuration} from '../../job/quantity.js';
import {PLUGINS} from '../../plugins.js';
import {cpuTimeOf} from '../../record/record.js';
import {printable} from '../../errors.js';
import {TareCommand} from '../shared/command.js';
import {Output} from '../shared/output.js';
import {complaining, filterFlags, openPlace, placeFlags, readFilter} from '../shared/records.js';

/** What an exporter has done with a record. `passed`: it is none of its business. */
const STANDINGS = ['pending', 'delivered', 'refused', 'failed', 'passed'] as const;
type Standing = (typeof STANDINGS)[number];

export default class RecordsList extends TareCommand {
  static override summary = 'List records, one per line, as they come.';
  static override description =
    'Each line has id, end, outcome, wall time, CPU time, peak of memory, VO, account and name of the job; - stands for what is not known. The order is that of the directory: nothing is sorted, so that a million records need no more memory than one. Pipe it through sort.';
  static override examples = [
    '<%= config.bin %> records list --since 7d --outcome limit',
    '<%= config.bin %> records list --exporter apel --standing refused',
    '<%= config.bin %> records list --json --vo atlas | jq .usage.memPeakBytes',
  ];
  static override flags = {
    ...placeFlags,
    ...filterFlags,
    state: Flags.string({description: 'only records in this state: started, final, lost, …', helpGroup: 'WHICH'}),
    exporter: Flags.string({description: 'say what this exporter has done with each', helpGroup: 'WHICH', helpValue: 'NAME'}),
    standing: Flags.option({
      options: STANDINGS,
      description: 'only records in this state of delivery',
      dependsOn: ['exporter'],
      helpGroup: 'WHICH',
    })(),
    json: Flags.boolean({description: 'print the records themselves, one per line'}),
  };

  async run(): Promise<void> {
    const {flags} = await this.parse(RecordsList);
    const output = new Output();
    try {
      const place = await openPlace(flags);
      const fits = readFilter(flags);
      const [opened] = flags.exporter === undefined ? [] : await openExporters(place.policy, PLUGINS, [flags.exporter], place.uid);
      for (const {record, text, writtenUs} of readRecords(place.spools, complaining(place.spools))) {
        if (!fits(record, writtenUs)) continue;
        const standing = opened === undefined ? null : standingOf(record, opened);
        if (flags.standing !== undefined && standing?.is !== flags.standing) continue;
        const isRead = output.write(flags.json ? text : line(record, standing));
        if (!isRead) break;
      }
    } finally {
      output.flush();
    }
  }
}

interface Told {
  is: Standing;
  why: string | null;
}

function standingOf(record: ExportRecord, {exporter, ledger, sealedOnly}: Opened): Told {
  const {state, note} = ledger.standing(record.recordId, record.revision);
  if (state !== 'pending') return {is: state, why: note?.reason ?? null};
  if (!isClosed(record)) return {is: 'passed', why: 'not over'};
  if (sealedOnly && !record.sealed && record.trust !== 'root') return {is: 'passed', why: 'neither written nor sealed by root'};
  const why = exporter.select(record);
  return why === null ? {is: 'pending', why: null} : {is: 'passed', why};
}

const UNKNOWN = '-';
const NAMES = 12;

function line(record: ExportRecord, standing: Told | null): string {
  const {time, usage, user, outcome, payload, state} = record;
  const cpuUs = cpuTimeOf(usage);
  const cells = [
    record.recordId,
    time.endEpochUs === null ? UNKNOWN.padEnd(20) : new Date(time.endEpochUs / 1000).toISOString().replace(/\.\d+/, ''),
    (state === 'started' ? 'running?' : outcome.status).padEnd(15),
    (time.wallUs === null ? UNKNOWN : formatDuration(seconds(time.wallUs))).padStart(10),
    (cpuUs === null ? UNKNOWN : formatDuration(seconds(cpuUs))).padStart(10),
    (usage.memPeakBytes === null ? UNKNOWN : formatBytes(usage.memPeakBytes)).padStart(10),
    (user.vo ?? UNKNOWN).padEnd(NAMES),
    (user.local ?? UNKNOWN).padEnd(NAMES),
    payload.name ?? UNKNOWN,
    ...(record.partOf === null ? [] : [`part of ${record.partOf}`]),
    ...(standing === null ? [] : [standing.why === null ? standing.is : `${standing.is}: ${standing.why}`]),
  ];
  return printable(cells.join('  ')).trimEnd();
}

const seconds = (us: number): number => (us < 1e6 ? us : Math.round(us / 1e6) * 1e6);
