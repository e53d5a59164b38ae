import {Flags} from '@oclif/core';
import {TareError} from '../../errors.js';
import {prune} from '../../export/prune.js';
import {openExporters} from '../../export/registry.js';
import {parseDuration} from '../../job/quantity.js';
import {PLUGINS} from '../../plugins.js';
import {TareCommand} from '../shared/command.js';
import {alone, complaining, openPlace, placeFlags} from '../shared/records.js';

export default class RecordsPrune extends TareCommand {
  static override summary = 'Remove old records that every exporter has delivered.';
  static override description =
    'A record stays when it is not over, or when an exporter that the policy switches on has not delivered it, whether it failed or was refused. Without any exporter nothing is removed.';
  static override examples = ['<%= config.bin %> records prune --older-than 90d'];
  static override flags = {
    ...placeFlags,
    'older-than': Flags.string({
      description: 'records that ended and were last written before that time',
      required: true,
      helpValue: 'TIME',
    }),
    'dry-run': Flags.boolean({description: 'only print the number'}),
  };

  async run(): Promise<void> {
    const {flags} = await this.parse(RecordsPrune);
    const place = await openPlace(flags);
    const beforeUs = Date.now() * 1000 - parseDuration(flags['older-than'], '--older-than');
    const opened = await openExporters(place.policy, PLUGINS, [], place.uid);
    if (opened.length === 0) {
      throw new TareError('EXPORTER_UNKNOWN', {
        message: 'no exporter is on, so that no record is safe elsewhere',
        allowed: 'at least one below exporters in the policy',
      });
    }
    const {records, removed, kept} = await alone(place, () =>
      Promise.resolve(prune(place.spools, opened, beforeUs, !flags['dry-run'], complaining(place.spools))),
    );
    const reasons = Object.entries(kept).flatMap(([why, count]) => (count === 0 ? [] : [`${String(count)} ${why}`]));
    const rest = reasons.length === 0 ? '' : `; old, and kept: ${reasons.join(', ')}`;
    this.log(`${String(records)} records, ${String(removed)} ${flags['dry-run'] ? 'would be removed' : 'removed'}${rest}`);
  }
}
