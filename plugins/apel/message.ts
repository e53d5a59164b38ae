/** APEL's text messages, individual jobs (apel 2.5.0; docs.egi.eu "Grid accounting record formats"). Pure. */

import {decimal, type ApelFields, type ApelSettings} from './fields.js';

type Version = ApelSettings['version'];

/** One header per message, many records. */
export const header = (version: Version): string => `APEL-individual-job-message: v${version}\n`;

/** One record with its end, in APEL's own order. */
export function apelRecord(fields: ApelFields, version: Version): string {
  const [best] = fields.benchmarks;
  const lines: [string, string | number | null][] = [
    ['Site', fields.site],
    ['SubmitHost', fields.submitHost],
    ['MachineName', fields.machineName],
    ['Queue', fields.queue],
    ['LocalJobId', fields.localJobId],
    ['LocalUserId', fields.localUserId],
    ['GlobalUserName', fields.globalUserName],
    ['FQAN', fields.fqan],
    // an FQAN overrides it
    ['VO', fields.fqan === null ? fields.vo : null],
    ['WallDuration', fields.wallSeconds],
    ['CpuDuration', fields.cpuSeconds],
    ['Processors', fields.processors],
    ['NodeCount', fields.nodes],
    ['StartTime', fields.startEpoch],
    ['EndTime', fields.endEpoch],
    ['InfrastructureDescription', fields.description],
    ['InfrastructureType', fields.infrastructure],
    ['MemoryReal', fields.memoryRealKib],
    ['MemoryVirtual', fields.memoryVirtualKib],
    ...(version === '0.3'
      ? (
          [
            ['ServiceLevelType', best.type],
            ['ServiceLevel', decimal(best.value)],
          ] as const
        ).map(([key, value]): [string, string] => [key, value])
      : [['ServiceLevel', `{${fields.benchmarks.map(({type, value}) => `${type}: ${decimal(value)}`).join(', ')}}`] as [string, string]]),
  ];
  const written = lines.flatMap(([key, value]) => (value === null ? [] : [`${key}: ${String(value)}\n`]));
  return `${written.join('')}%%\n`;
}
