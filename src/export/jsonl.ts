/**
 * The records themselves, one per line. Each delivery is a file of its own, which appears whole and is never written to again; its name is made
 * from what is in it, so that the same delivery after a crash is the same file.
 */

import {join} from 'node:path';
import {sha256} from '../builtin.js';
import type {Exporter, ExporterEntry, ExporterSettings} from '@tare/contract';

function open(settings: ExporterSettings): Exporter {
  const directory = settings['directory'] as string;
  const join_ = (texts: readonly string[]): string => texts.map((text) => `${text}\n`).join('');
  return {
    name: 'jsonl',
    api: 1,
    batchRecords: 1000,
    batchBytes: 16 * 1024 * 1024,
    corrections: 'deliver',
    warnings: [],
    select: () => null,
    // all blanks of JSON: without this the writer of a record could put a line of its own between
    convert: ({text}) => ({text: text.replaceAll(/[\r\n]+/g, ' '), changed: []}),
    join: join_,
    deliver: (items, effects) => {
      const text = join_(items.map((item) => item.text));
      effects.makeDirectory(directory);
      effects.replace(join(directory, `${sha256(text).slice(0, 32)}.jsonl`), text);
      return Promise.resolve(items.map(() => ({is: 'delivered'})));
    },
  };
}

/** The exporter `jsonl`. */
export const jsonl: ExporterEntry = {name: 'jsonl', load: () => Promise.resolve({open})};
