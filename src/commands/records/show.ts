import {basename, join} from 'node:path';
import {Args, Flags} from '@oclif/core';
import type {ExporterModule} from '@tare/contract';
import {TareError, printable} from '../../errors.js';
import {readOne, type ReadRecord} from '../../export/export.js';
import {Ledger, LEDGER, ledgersIn} from '../../export/ledger.js';
import {exporterEntries} from '../../export/registry.js';
import {isClosed} from '../../export/view.js';
import {PLUGINS} from '../../plugins.js';
import {findRecords, severalRecords} from '../../live/ended.js';
import {exportersPlace} from '../../policy/places.js';
import type {UsageRecord} from '../../record/record.js';
import {TareCommand} from '../shared/command.js';
import {Output} from '../shared/output.js';
import {complaining, openPlace, placeFlags, type Place} from '../shared/records.js';

const FORMATS = ['jsonl', 'apel', 'car', 'auditor', 'prmon', 'prometheus'];

export default class RecordsShow extends TareCommand {
  static override summary = 'Show one record: for people, as JSON, or as an exporter would write it.';
  static override examples = [
    '<%= config.bin %> records show 0b2f6a52-6c56-5f0e-8b5d-8a6b6a7f4f9d',
    '<%= config.bin %> records show ./record.json --as prmon > memory_monitor_summary.json',
  ];
  static override args = {
    record: Args.string({
      description: 'id of the record or of its box, or its beginning, the job’s name, or a file',
      required: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    ...placeFlags,
    json: Flags.boolean({description: 'print the record itself', exclusive: ['as']}),
    as: Flags.option({options: FORMATS, description: 'print what this exporter makes of it; nothing is delivered'})(),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(RecordsShow);
    const place = await openPlace(flags);
    const found = find(args.record, place);
    if (flags.json) this.log(found.text);
    else if (flags.as === undefined) this.log((await forPeople(found, place)).trimEnd());
    else new Output().pass(Buffer.from(await converted(found, flags.as, place)));
  }
}

/** @throws TareError RECORD_UNKNOWN, BOX_AMBIGUOUS */
function find(word: string, {spools}: Place): ReadRecord {
  const isFile = word.includes('/') || word.endsWith('.json');
  // under their usual path they are found without a look at all others
  const paths = isFile ? [{path: word, id: null}] : spools.map((spool) => ({path: join(spool, `${word}.json`), id: word}));
  for (const {path, id} of paths) {
    try {
      const found = readOne(path, id);
      if (found !== null) return found;
    } catch (error) {
      throw new TareError('RECORD_UNKNOWN', {message: `not a record: ${(error as Error).message}`, where: path, cause: error});
    }
  }
  const [found, ...others] = isFile ? [] : findRecords(spools, word, {events: complaining(spools)});
  if (found !== undefined && others.length > 0) throw severalRecords(word, [found, ...others]);
  if (found !== undefined) return found;
  throw new TareError('RECORD_UNKNOWN', {message: isFile ? `no such file: ${word}` : `no record ${word} in ${spools.join(', ')}`});
}

async function forPeople({text, path, record}: ReadRecord, {policy, uid}: Place): Promise<string> {
  const {default: validate} = await import('../../schema/generated/record-2.validator.js');
  const {formatSummary} = await import('../../report/summary.js');
  const value: unknown = JSON.parse(text);
  const summary = validate(value) ? formatSummary(value as UsageRecord, path) : `${text}\n${basename(path)}: not as its schema has it\n`;
  const place = exportersPlace(policy, uid);
  const lines = ledgersIn(place).map((name) => {
    const ledger = new Ledger(join(place, name, LEDGER));
    const {state} = ledger.standing(record.recordId, record.revision);
    const note = ledger.note(record.recordId);
    const details = [
      note?.reason,
      note === null || note.attempts === 0 ? null : `${String(note.attempts)} attempts`,
      ...(note?.changed ?? []),
    ];
    return printable(`${name}: ${[state, ...details.filter((each) => each != null)].join('; ')}`);
  });
  return summary + lines.map((line) => `exporter ${line}\n`).join('');
}

async function converted({record, text}: ReadRecord, name: string, {policy}: Place): Promise<string> {
  const module: ExporterModule | undefined = await exporterEntries(PLUGINS)
    .find((entry) => entry.name === name)
    ?.load();
  if (module === undefined) throw new TareError('EXPORTER_UNKNOWN', {message: `${name}: no such exporter`});
  // its conversion is asked for, not its target
  const exporter = module.open({directory: '', file: '.prom', ...policy.exporters[name]}, {benchmarks: policy.benchmarks});
  const refusal = isClosed(record) ? exporter.select(record) : 'it is not over';
  const made = refusal === null ? exporter.convert({record, text}) : {refused: refusal};
  if ('refused' in made) throw new TareError('RECORD_UNKNOWN', {message: `${name} cannot have it: ${made.refused}`});
  return exporter.join([made.text]);
}
