import {Flags} from '@oclif/core';
import {EXIT} from '../../errors.js';
import {sealRecords} from '../../run/seal.js';
import {TareCommand} from '../shared/command.js';
import {complain, say} from '../shared/output.js';

export default class RecordsSeal extends TareCommand {
  static override summary = 'As root, take over the records that users’ jobs wrote: check each, and keep it where only root can change it.';
  static override description =
    'For cron or a systemd timer (configs/), after `records sweep`. Faulty records are left in place and reported; the exit status is then 1.';
  static override examples = ['<%= config.bin %> records seal'];
  static override flags = {
    policy: Flags.string({description: 'policy file instead of the node’s own', helpValue: 'FILE'}),
    quiet: Flags.boolean({char: 'q', description: 'print nothing when all is well'}),
    json: Flags.boolean({description: 'print what was done as JSON'}),
  };

  async run(): Promise<void> {
    const {flags} = await this.parse(RecordsSeal);
    const summary = await sealRecords(flags.policy ?? null);
    const {sealed, open, rejected} = summary;
    const isWell = rejected.length === 0;
    if (flags.json) say(JSON.stringify(summary));
    else {
      for (const {path, uid, reason} of rejected) complain(`${path} of uid ${String(uid)} was not sealed: ${reason}`);
      if (!flags.quiet || !isWell) say(`${String(sealed)} sealed, ${String(open)} not over yet, ${String(rejected.length)} rejected`);
    }
    if (!isWell) this.exit(EXIT.unhealthy);
  }
}
