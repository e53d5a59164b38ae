import {Flags} from '@oclif/core';
import {rendered} from '../../../plugins/htcondor/health.js';
import {EXIT} from '../../errors.js';
import {ENGINES} from '../../plugins.js';
import {renderHealth} from '../../report/health.js';
import {probeInto} from '../../run/node-boxes.js';
import {probeNode} from '../../run/node-probe.js';
import {TARE_VERSION} from '../../version.js';
import {TareCommand} from '../shared/command.js';
import {say} from '../shared/output.js';

export default class NodeProbe extends TareCommand {
  static override summary = 'Look at this node, and write down whether it should get jobs: what root’s timer does every 10 seconds.';
  static override description =
    'Runs cheap checks each time. Every ten minutes, and after a job reported a failure, it also starts a real box as an account that has jobs here, and writes, reads and removes a record. The result is health.json in directories.node. Without root it is for the caller’s account. Exit status 1 when the node should get no jobs.';
  static override examples = ['<%= config.bin %> node probe', '<%= config.bin %> node probe --full --json'];
  static override flags = {
    policy: Flags.string({description: 'policy file instead of the node’s own', helpValue: 'FILE'}),
    full: Flags.boolean({description: 'try a box now, and wait for it'}),
    json: Flags.boolean({description: 'print the result as JSON'}),
    quiet: Flags.boolean({char: 'q', description: 'print nothing of a node that should get jobs, for cron', exclusive: ['json']}),
    as: Flags.string({description: 'account to try', hidden: true, dependsOn: ['into']}),
    into: Flags.string({description: 'where what was found goes', hidden: true}),
  };

  async run(): Promise<void> {
    const {flags} = await this.parse(NodeProbe);
    const policyFile = flags.policy ?? null;
    if (flags.as !== undefined && flags.into !== undefined) {
      await probeInto(flags.as, flags.into, policyFile);
      return;
    }
    const health = await probeNode({policyFile, full: flags.full, rendered, engines: ENGINES, version: TARE_VERSION});
    if (flags.json) say(JSON.stringify(health));
    else if (!flags.quiet || !health.healthy) say(renderHealth(health));
    if (!health.healthy) this.exit(EXIT.unhealthy);
  }
}
