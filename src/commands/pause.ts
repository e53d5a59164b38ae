import {Command} from '@oclif/core';
import {TareError} from '../errors.js';
import {pauseBox} from '../supervise/freeze.js';
import {becomeOwner, groupsOf} from '../live/live.js';
import {boxArgs, oneBox, openNode, policyFlag} from './shared/boxes.js';
import {explain, say} from './shared/output.js';

export default class Pause extends Command {
  static override summary = 'Stop all processes of a job, until `tare resume`.';
  static override description =
    'By the freezer of its control group, of which it notices nothing; where there is none, by SIGSTOP to each process. Time that it is paused counts against its wall time limit as the policy says (suspendedTime). A limit or `tare kill` ends a paused job all the same. Exit status: 0, also when it is paused already; 125 when there is no such box, it is another user’s, or it does not stop within 5 s.';
  static override examples = ['<%= config.bin %> pause 5c1f'];
  static override args = boxArgs;
  static override flags = policyFlag;

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Pause);
    try {
      const box = oneBox(await openNode(flags.policy), args.id);
      becomeOwner(box);
      if (box.payload === null) throw new TareError('BOX_STATE', {message: `nothing runs in the box ${box.id} yet`});
      const by = await pauseBox(box, groupsOf(box));
      if (by === null) {
        throw new TareError('BOX_NOT_REMOVED', {
          message: `not all of the box ${box.id} stands still yet`,
          remedy: 'a process in uninterruptible sleep (state D) stops when the kernel lets it; `tare ps` says paused then',
        });
      }
      say(`${box.id} paused (${by})`);
    } catch (error) {
      this.exit(explain(error));
    }
  }
}
