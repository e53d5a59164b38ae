import {Flags} from '@oclif/core';
import {EXIT} from '../../errors.js';
import {renderSweep} from '../../report/sweep.js';
import {sweepNode} from '../../sweep/node.js';
import {TareCommand} from '../shared/command.js';
import {say} from '../shared/output.js';

export default class RecordsSweep extends TareCommand {
  static override summary = 'Close what a crash left open: stop, weigh and remove boxes whose wrapper is gone, and end their records.';
  static override description =
    'Root sweeps for every user of this node, each as that user; others sweep their own boxes. For cron or a systemd timer (configs/). Exit status 1 when something is left.';
  static override examples = ['<%= config.bin %> records sweep', '<%= config.bin %> records sweep --json'];
  static override flags = {
    policy: Flags.string({description: 'policy file instead of the node’s own', helpValue: 'FILE'}),
    json: Flags.boolean({description: 'print what was done as JSON'}),
    quiet: Flags.boolean({char: 'q', description: 'print only what is left, for cron', exclusive: ['json']}),
  };

  async run(): Promise<void> {
    const {flags} = await this.parse(RecordsSweep);
    const swept = await sweepNode(flags.policy ?? null);
    const told = flags.quiet ? swept.filter(({result}) => result === 'left') : swept;
    if (flags.json) say(JSON.stringify(told));
    else if (!flags.quiet || told.length > 0) say(renderSweep(told));
    if (swept.some(({result}) => result === 'left')) this.exit(EXIT.unhealthy);
  }
}
