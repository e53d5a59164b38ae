import {TareError} from '../errors.js';
import {pauseBox} from '../supervise/freeze.js';
import {becomeOwner, groupsOf} from '../live/live.js';
import {boxArgs, oneBox, openNode, policyFlag} from './shared/boxes.js';
import {TareCommand} from './shared/command.js';
import {say} from './shared/output.js';

export default class Pause extends TareCommand {
  static override summary = 'Stop all processes of a job, until `tare resume`.';
  static override description =
    'Uses the freezer of the job’s control group, which the job does not notice; without a freezer, SIGSTOP to each process. The policy says whether paused time counts against the wall time limit (suspendedTime). Limits and `tare kill` also end paused jobs. Exit status: 0, also when the job is paused already; 125 when there is no such box, it is another user’s, or it does not stop within 5 s.';
  static override examples = ['<%= config.bin %> pause 5c1f'];
  static override args = boxArgs;
  static override flags = policyFlag;

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Pause);
    const box = oneBox(await openNode(flags.policy), args.id);
    becomeOwner(box);
    if (box.payload === null) throw new TareError('BOX_STATE', {message: `nothing runs in the box ${box.id} yet`});
    const by = await pauseBox(box, groupsOf(box));
    if (by === null) {
      throw new TareError('BOX_NOT_REMOVED', {
        message: `not all of the box ${box.id} is stopped yet`,
        remedy: 'a process in uninterruptible sleep (state D) stops when the kernel lets it; `tare ps` says paused then',
      });
    }
    say(`${box.id} paused (${by})`);
  }
}
