import {resumeBox} from '../supervise/freeze.js';
import {becomeOwner, groupsOf} from '../live/live.js';
import {boxArgs, oneBox, openNode, policyFlag} from './shared/boxes.js';
import {TareCommand} from './shared/command.js';
import {say} from './shared/output.js';

export default class Resume extends TareCommand {
  static override summary = 'Let a job go on that `tare pause` has stopped.';
  static override description =
    'Without a freezer, processes that the payload itself had stopped continue too. Exit status: 0, also when the job was not paused; 125 when there is no such box, or it is another user’s.';
  static override examples = ['<%= config.bin %> resume 5c1f'];
  static override args = boxArgs;
  static override flags = policyFlag;

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Resume);
    const box = oneBox(await openNode(flags.policy), args.id);
    becomeOwner(box);
    resumeBox(box, groupsOf(box));
    say(`${box.id} goes on`);
  }
}
