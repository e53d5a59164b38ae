import {Command, Flags} from '@oclif/core';
import {healthAd, rendered} from '../../../plugins/htcondor/health.js';
import {examineHealth} from '../../run/health.js';
import {resetNode} from '../../run/node-probe.js';
import {TARE_VERSION} from '../../version.js';
import {ENGINES} from '../../plugins.js';
import {explain} from '../shared/output.js';

export default class HtcondorHealth extends Command {
  static override summary = 'Say whether this node should get jobs, as a startd cron job does.';
  static override description =
    'Prints TareHealthy, TareHealthTime, TareBoxed, TareFailures, TareDegraded, TareFault and TareReason. They come from the last probe of the node (`tare node probe`), if it is not older than a minute. Without a probe the node is not healthy when the policy cannot be read, or when the wrapper failed as often as batch.blackHole says with `then: drain`. `tare htcondor config` shows how START uses it.';
  static override examples = ['<%= config.bin %> htcondor health', '<%= config.bin %> htcondor health --reset'];
  static override flags = {
    policy: Flags.string({description: 'policy file instead of the node’s own', helpValue: 'FILE'}),
    reset: Flags.boolean({
      description: 'forget what jobs have reported so far and look at the node again, as `node reset` does: as root for all accounts',
    }),
  };

  async run(): Promise<void> {
    const {flags} = await this.parse(HtcondorHealth);
    const policyFile = flags.policy ?? null;
    try {
      if (flags.reset) await resetNode({policyFile, full: false, rendered, engines: ENGINES, version: TARE_VERSION});
    } catch (error) {
      this.exit(explain(error));
    }
    this.log(healthAd(await examineHealth(policyFile), Date.now() * 1000));
  }
}
