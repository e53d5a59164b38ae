/**
 * EMI Compute Accounting Record 1.2, as APEL reads it (apel 2.5.0 db/loader/car_parser.py) and with the elements and in the order of ARC 7
 * (arc/control/AccountingPublishing.py). Attributes are in the namespace, or APEL does not see them. Everything is escaped. Pure.
 */

import type {ExportRecord} from '@tare/contract';
import {decimal, type ApelFields} from './fields.js';
import {fit} from './text.js';

const NAMESPACE = 'http://eu-emi.eu/namespaces/2012/11/computerecord';

const LONGEST = 255;

/** A whole document of several records. */
export const carDocument = (records: readonly string[]): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<urf:UsageRecords xmlns:urf="${NAMESPACE}">\n${records.join('')}</urf:UsageRecords>\n`;

/** One record, without the document around it. */
export function carRecord(fields: ApelFields, record: ExportRecord): string {
  const [{type, value}] = fields.benchmarks;
  const {exitCode, status} = record.outcome;
  const seconds = (count: number): string => `PT${String(count)}S`;
  const lines = [
    // of the record's own end, so that it is the same whenever it is written
    element('RecordIdentity', {createTime: iso(fields.endEpoch), recordId: `tare-${record.recordId}`}),
    open('JobIdentity'),
    element('GlobalJobId', {}, fields.localJobId),
    element('LocalJobId', {}, fields.localJobId),
    close('JobIdentity'),
    open('UserIdentity'),
    element('GlobalUserName', {type: 'opensslCompat'}, fields.globalUserName),
    element('LocalUserId', {}, fields.localUserId),
    element('Group', {}, fields.vo),
    element('GroupAttribute', {type: 'FQAN'}, fields.fqan),
    close('UserIdentity'),
    element('Status', {}, status === 'completed' ? 'completed' : 'failed'),
    element('ExitStatus', {}, exitCode),
    element('WallDuration', {}, seconds(fields.wallSeconds)),
    element('CpuDuration', {usageType: 'all'}, seconds(fields.cpuSeconds)),
    element('CpuDuration', {usageType: 'user'}, seconds(fields.cpuUserSeconds)),
    element('CpuDuration', {usageType: 'system'}, seconds(fields.cpuSystemSeconds)),
    element('StartTime', {}, iso(fields.startEpoch)),
    element('EndTime', {}, iso(fields.endEpoch)),
    element('MachineName', {}, fields.machineName ?? fields.submitHost),
    element('Host', {primary: 'true'}, fit(record.host.node, LONGEST)?.text ?? null),
    element('SubmitHost', {}, fields.submitHost),
    element('Queue', {description: 'execution'}, fields.queue),
    element('Site', {type: 'gocdb'}, fields.site),
    element('Infrastructure', {type: fields.infrastructure, description: fields.description}),
    element('Middleware', {name: 'tare', version: fit(record.host.tareVersion, LONGEST)?.text ?? ''}),
    element('Memory', {storageUnit: 'KB', metric: 'max', type: 'Shared'}, fields.memoryVirtualKib),
    element('Memory', {storageUnit: 'KB', metric: 'max', type: 'Physical'}, fields.memoryRealKib),
    element('NodeCount', {}, fields.nodes),
    element('Processors', {}, fields.processors),
    element('ServiceLevel', {type}, decimal(value)),
  ];
  return `${open('UsageRecord')}${lines.join('')}${close('UsageRecord')}`;
}

/** Seconds since 1970 as ISO 8601 in UTC. */
const iso = (epoch: number): string => new Date(epoch * 1000).toISOString().replace('.000', '');

const open = (name: string): string => `<urf:${name}>\n`;
const close = (name: string): string => `</urf:${name}>\n`;

/** '' where there is no content to be had. */
function element(name: string, attributes: Record<string, string>, content?: string | number | null): string {
  if (content === null) return '';
  const written = Object.entries(attributes).map(([key, value]) => ` urf:${key}="${escaped(value)}"`);
  const start = `<urf:${name}${written.join('')}`;
  return content === undefined ? `${start}/>\n` : `${start}>${escaped(String(content))}</urf:${name}>\n`;
}

const ENTITIES: Readonly<Record<string, string>> = {'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;'};

const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
