import {Flags} from '@oclif/core';
import {printable} from '../errors.js';
import {diffBox, type Change} from '../live/diff.js';
import {becomeOwner} from '../live/live.js';
import {readState} from '../box/state-read.js';
import {boxArgs, oneBox, openNode, policyFlag} from './shared/boxes.js';
import {TareCommand} from './shared/command.js';
import {complain, Output} from './shared/output.js';

export default class Diff extends TareCommand {
  static override summary = 'Say what a live box has changed: added (A), changed (C) and deleted (D).';
  static override description =
    'Lists changes of its view of the file system, and all files in its /tmp and /var/tmp. The work directory belongs to the node and is not searched. Users see their own boxes, root sees all.';
  static override examples = ['<%= config.bin %> diff 3f2a9c', '<%= config.bin %> diff 3f2a9c --json | jq .path'];
  static override args = boxArgs;
  static override flags = {
    ...policyFlag,
    application: Flags.string({description: 'only the view of this application, and what all share', helpValue: 'NAME'}),
    json: Flags.boolean({description: 'print one object for each change, one per line'}),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Diff);
    const output = new Output();
    try {
      const box = oneBox(await openNode(flags.policy), args.id);
      becomeOwner(box);
      for (const change of diffBox(readState(box.directory), flags.application ?? null, complain))
        if (!output.write(line(change, flags.json))) break;
    } finally {
      output.flush();
    }
  }
}

function line({kind, path, type}: Change, isJson: boolean): string {
  const text = path.toString('utf8');
  return isJson ? JSON.stringify({kind, path: text, type}) : `${kind} ${printable(text)}`;
}
