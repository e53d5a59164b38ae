/** Every exporter, opened as a policy would. */

import type {Exporter} from '@tare/contract';
import {openApel, openCar} from '../../../plugins/apel/exporter.js';
import {openAuditor} from '../../../plugins/auditor/exporter.js';
import {openPrmon} from '../../../plugins/prmon/exporter.js';
import {openPrometheus} from '../../../plugins/prometheus/exporter.js';
import {jsonl} from '../../../src/export/jsonl.js';

const NODE = {benchmarks: []};

/** By the name of their golden file in fixtures/exports. */
export async function allExporters(directory: string): Promise<Record<string, Exporter>> {
  const submitHost = 'ce01.example.org:9619/ce01.example.org-condor';
  return {
    'record.jsonl': (await jsonl.load()).open({directory: `${directory}/jsonl`}, NODE),
    'apel-0.3.txt': openApel({directory: `${directory}/apel03`, submitHost}, NODE),
    'apel-0.4.txt': openApel({directory: `${directory}/apel04`, submitHost, version: '0.4', layout: 'directory'}, NODE),
    'car.xml': openCar({directory: `${directory}/car`, submitHost}, NODE),
    'auditor.jsonl': openAuditor({directory: `${directory}/auditor`}, NODE),
    'prmon.json': openPrmon({directory: `${directory}/prmon`}),
    'tare.prom': openPrometheus({file: `${directory}/tare.prom`}),
  };
}

/** What the exporters make of one record: name of the golden file, text and changes; a refusal is an error. */
export function convertWith(exporter: Exporter, source: Parameters<Exporter['convert']>[0]): {text: string; changed: readonly string[]} {
  const passed = exporter.select(source.record);
  if (passed !== null) throw new Error(`${exporter.name} has no business with it: ${passed}`);
  const made = exporter.convert(source);
  if ('refused' in made) throw new Error(`${exporter.name} refuses: ${made.refused}`);
  return {text: exporter.join([made.text]), changed: made.changed};
}
