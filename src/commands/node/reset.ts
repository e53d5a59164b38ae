import {Flags} from '@oclif/core';
import {rendered} from '../../../plugins/htcondor/health.js';
import {EXIT} from '../../errors.js';
import {ENGINES} from '../../plugins.js';
import {renderHealth} from '../../report/health.js';
import {resetNode} from '../../run/node-probe.js';
import {TARE_VERSION} from '../../version.js';
import {TareCommand} from '../shared/command.js';
import {say} from '../shared/output.js';

export default class NodeReset extends TareCommand {
  static override summary = 'Forget the failures that jobs have reported on this node so far, and look at it again.';
  static override description =
    'Only reports of jobs are forgotten; faults that still exist are found again. Exit status 1 when the node should still get no jobs.';
  static override examples = ['<%= config.bin %> node reset'];
  static override flags = {
    policy: Flags.string({description: 'policy file instead of the node’s own', helpValue: 'FILE'}),
    json: Flags.boolean({description: 'print the result as JSON'}),
  };

  async run(): Promise<void> {
    const {flags} = await this.parse(NodeReset);
    const health = await resetNode({policyFile: flags.policy ?? null, full: false, rendered, engines: ENGINES, version: TARE_VERSION});
    say(flags.json ? JSON.stringify(health) : renderHealth(health));
    if (!health.healthy) this.exit(EXIT.unhealthy);
  }
}
