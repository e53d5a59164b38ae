import {existsSync} from 'node:fs';
import {placesOf} from '../policy/places.js';
import {killBox} from '../live/kill.js';
import {becomeOwner} from '../live/live.js';
import {sweepBoxes} from '../sweep/sweep.js';
import {boxArgs, oneBox, openNode, policyFlag, signalFlag} from './shared/boxes.js';
import {TareCommand} from './shared/command.js';
import {say} from './shared/output.js';

export default class Kill extends TareCommand {
  static override summary = 'End a job, or send its payload a signal; the record says who did.';
  static override description =
    'SIGKILL, the default, ends the whole box at once. SIGTERM asks the payload, or all applications, to end, and kills the rest after the policy’s grace; a second SIGTERM kills at once. Both return when the job is over and its record is written. Any other signal is only sent to the first process of the payload or of each application. Exit status: 0; 125 when there is no such box, it is another user’s, or it does not die; 64 when the command line is wrong.';
  static override examples = [
    '<%= config.bin %> kill 5c1f',
    '<%= config.bin %> kill --signal TERM 5c1f',
    '<%= config.bin %> kill -s USR1 5c1f',
  ];
  static override args = boxArgs;
  static override flags = {...policyFlag, signal: signalFlag({char: 's', description: 'KILL, TERM, or another', default: 'SIGKILL'})};

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Kill);
    const node = await openNode(flags.policy);
    const box = oneBox(node, args.id);
    becomeOwner(box);
    const result = await killBox(box, flags.signal, node.uid);
    // no supervisor is left: the record is this one's to close
    if (result === 'ended' && existsSync(box.directory)) await sweepBoxes(placesOf(node.policy, box.uid), {uid: box.uid});
    say(`${box.id} ${result === 'ended' ? 'ended' : `was sent ${flags.signal}`}`);
  }
}
