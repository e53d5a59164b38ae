import {Args, Flags} from '@oclif/core';
import type {NodeHealth} from '@tare/contract';
import {waitingIn} from '../../box/waiting.js';
import {EXIT, TareError} from '../../errors.js';
import {exportRecords, type Tally} from '../../export/export.js';
import {openExporters} from '../../export/registry.js';
import {readHealth} from '../../node-state/health.js';
import {PLUGINS} from '../../plugins.js';
import {nodePlaces, placesOf} from '../../policy/places.js';
import {TareCommand} from '../shared/command.js';
import {complain} from '../shared/output.js';
import {alone, complaining, filterFlags, openPlace, placeFlags, readFilter, type Place} from '../shared/records.js';

export default class RecordsExport extends TareCommand {
  static override summary = 'Deliver records to the exporters that the policy switches on.';
  static override description =
    'Each exporter gets each closed record once. Failed deliveries are tried again the next time. Run it from a timer. Exit status 1 when a record could not be delivered.';
  static override usage = 'records export [EXPORTER...] [flags]';
  static override examples = ['<%= config.bin %> records export', '<%= config.bin %> records export auditor --since 1d'];
  static override strict = false;
  static override args = {exporter: Args.string({description: 'only these exporters', ignoreStdin: true})};
  static override flags = {
    ...placeFlags,
    ...filterFlags,
    quiet: Flags.boolean({char: 'q', description: 'print nothing when all is well'}),
    json: Flags.boolean({description: 'print the counts as JSON'}),
  };

  async run(): Promise<void> {
    const {flags, argv} = await this.parse(RecordsExport);
    const place = await openPlace(flags);
    const opened = await openExporters(place.policy, PLUGINS, argv as string[], place.uid);
    if (opened.length === 0) {
      throw new TareError('EXPORTER_UNKNOWN', {
        message: 'the policy switches no exporter on',
        allowed: 'a name below exporters',
        remedy: 'see docs/howto/export-records.md',
      });
    }
    for (const {exporter} of opened) for (const warning of exporter.warnings) complain(`WARNING: ${exporter.name}: ${warning}`);
    const fits = readFilter(flags);
    const summary = await alone(place, () =>
      exportRecords(place.spools, opened, fits, complaining(place.spools, flags.spool === undefined), () => nodeOf(place)),
    );
    const isDelivered = summary.tallies.every(({failed, stopped}) => failed === 0 && stopped === null);
    if (flags.json) this.log(JSON.stringify(summary));
    else if (!flags.quiet || !isDelivered) for (const tally of summary.tallies) this.log(line(tally));
    for (const {exporter, reasons, stopped} of summary.tallies) {
      for (const reason of reasons) complain(`${exporter}: ${reason}`);
      if (stopped !== null) complain(`${exporter}: stopped: ${stopped}; what is left is tried again the next time`);
    }
    if (!isDelivered) this.exit(EXIT.unhealthy);
  }
}

/** What exporters tell of the node beside its records. */
function nodeOf({policy, uid}: Place): {waiting: number; health: NodeHealth | null} {
  const {state, scratch} = placesOf(policy, uid);
  return {waiting: waitingIn({state, scratch}).length, health: readHealth(nodePlaces(policy, uid))};
}

function line({exporter, delivered, changed, before, passed, refused, failed}: Tally): string {
  const counts = [
    `${String(delivered)} delivered${changed === 0 ? '' : ` (${String(changed)} with changed texts)`}`,
    `${String(before)} before`,
    `${String(passed)} not applicable`,
    `${String(refused)} refused`,
    `${String(failed)} failed`,
  ];
  return `${exporter}: ${counts.join(', ')}`;
}
