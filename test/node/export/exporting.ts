/** A process that exports the spool below its argument, in small batches, and says when it begins and how it ended. */

import {join} from 'node:path';
import {openApel} from '../../../plugins/apel/exporter.js';
import {openPrometheus} from '../../../plugins/prometheus/exporter.js';
import {exportEffects} from '../../../src/export/effects.js';
import {exportRecords, openExporter} from '../../../src/export/export.js';
import {jsonl} from '../../../src/export/jsonl.js';

const [, , directory = ''] = process.argv;
const inside = (name: string): string => join(directory, name);
const exporters = [
  (await jsonl.load()).open({directory: inside('jsonl')}, {benchmarks: []}),
  openApel({directory: inside('apel'), submitHost: 'ce'}, {benchmarks: []}),
  openPrometheus({file: inside('tare.prom')}),
];
const opened = exporters.map((exporter) => openExporter({...exporter, batchRecords: 20}, inside('own'), false, exportEffects));
process.stdout.write('begins\n');
const {tallies} = await exportRecords([inside('spool')], opened, () => true);
process.stdout.write(`${JSON.stringify(tallies)}\n`);
