import {Command, Flags} from '@oclif/core';
import {healthAd} from '../../../plugins/htcondor/health.js';
import {examineHealth} from '../../run/health.js';

export default class HtcondorHealth extends Command {
  static override summary = 'Say whether this node should get jobs, as a startd cron job does.';
  static override description =
    'Prints TareHealthy, TareFailures and TareReason. Not healthy: the policy cannot be read, or the wrapper failed as often as batch.blackHole says with `then: drain`. `tare htcondor config` shows how START uses it.';
  static override examples = ['<%= config.bin %> htcondor health'];
  static override flags = {policy: Flags.string({description: 'policy file instead of the node’s own', helpValue: 'FILE'})};

  async run(): Promise<void> {
    const {flags} = await this.parse(HtcondorHealth);
    this.log(healthAd(await examineHealth(flags.policy ?? null)));
  }
}
