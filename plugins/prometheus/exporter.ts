/**
 * Counters of a node, and its state, in a file for node_exporter's textfile collector, which is replaced as a whole. A record is counted once, also over a crash between counting it and
 * remembering that: the totals list the records that they count and that may not be remembered yet.
 */

import type {ExportEffects, ExportItem, Exporter, ExporterSettings, ExportNode} from '@tare/contract';
import {addTo, AT_FIRST, increments, render, renderNode, type Increments, type Totals} from './metrics.js';

interface Counted {
  totals: Totals;
  /** Ids that are in the totals, and perhaps not yet acknowledged. */
  pending: string[];
}

/** Opens the exporter that adds records to counters and writes them as one file for node_exporter's textfile collector. */
export function openPrometheus(settings: ExporterSettings, {codes = []}: Pick<ExportNode, 'codes'> = {}): Exporter {
  const file = settings['file'] as string;
  return {
    name: 'prometheus',
    api: 1,
    batchRecords: 1000,
    batchBytes: 16 * 1024 * 1024,
    // a counter only goes up
    corrections: 'ignore',
    warnings: file.endsWith('.prom') ? [] : [`${file}: node_exporter reads files named *.prom only`],
    select: (record) => (record.isPart ? 'a part of another record, which is counted' : null),
    convert: ({record}) => ({text: JSON.stringify(increments(record, codes)), changed: []}),
    join: (texts) => {
      const totals: Totals = {};
      for (const text of texts) addTo(totals, JSON.parse(text) as Increments);
      return render(totals);
    },
    deliver: (items, effects) => {
      const counted = read(effects);
      const before = new Set(counted.pending);
      for (const {id, text} of items) if (!before.has(id)) addTo(counted.totals, JSON.parse(text) as Increments);
      counted.pending = [...new Set([...counted.pending, ...items.map(({id}) => id)])];
      write(counted, effects);
      return Promise.resolve(items.map(() => ({is: 'delivered'})));
    },
    // one file a run: a node that runs nothing tells its health all the same
    conclude: (run, effects) => {
      effects.makeDirectory(file.slice(0, file.lastIndexOf('/')) || '/');
      effects.replace(file, render({...AT_FIRST, ...read(effects).totals}) + renderNode(run, effects.nowUs()));
    },
    acknowledge: (items: readonly ExportItem[], effects) => {
      const counted = read(effects);
      const known = new Set(items.map(({id}) => id));
      write({...counted, pending: counted.pending.filter((id) => !known.has(id))}, effects);
    },
  };
}

const place = (effects: ExportEffects): string => `${effects.own}/totals.json`;

function read(effects: ExportEffects): Counted {
  const text = effects.readText(place(effects));
  if (text === null) return {totals: {}, pending: []};
  try {
    const {totals, pending} = JSON.parse(text) as Counted;
    for (const value of Object.values(totals)) BigInt(value);
    return {totals, pending: [...pending]};
  } catch (error) {
    throw new Error(`${place(effects)} cannot be understood (${(error as Error).message}): remove it to count from 0`);
  }
}

const write = (counted: Counted, effects: ExportEffects): void => effects.replace(place(effects), JSON.stringify(counted));
