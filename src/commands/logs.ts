import {closeSync} from 'node:fs';
import {Flags} from '@oclif/core';
import {copyOutput, onlyLines, openSource, refuseItself} from '../live/output.js';
import {becomeOwner} from '../live/live.js';
import {boxArgs, boxFlags, introduce, oneBox, openNode} from './shared/boxes.js';
import {TareCommand} from './shared/command.js';
import {Output, STDOUT} from './shared/output.js';
import {withoutControls} from './shared/plain-bytes.js';

export default class Logs extends TareCommand {
  static override summary = 'Print what a job has written on its standard output, where that is a file.';
  static override description =
    'The file is found through the open descriptors of the payload’s first process. Pipes, terminals and sockets are not read; the message names them. With several applications it is the caller’s file, with the lines of all or of one, or an application’s own file while it runs. On root’s terminal control characters of another user are printed as ?. Exit status: 0; 125 when there is no such box, it is another user’s, its output is not a file or cannot be read, or that file is where this command writes to.';
  static override examples = ['<%= config.bin %> logs 5c1f', '<%= config.bin %> logs 5c1f --stderr --follow'];
  static override args = boxArgs;
  static override flags = {
    ...boxFlags,
    follow: Flags.boolean({char: 'f', description: 'continue to print until the job has ended'}),
    stderr: Flags.boolean({description: 'standard error instead'}),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Logs);
    const node = await openNode(flags.policy);
    const box = oneBox(node, args.id);
    becomeOwner(box);
    const stream = flags.stderr ? 'stderr' : 'stdout';
    const source = openSource(box, flags.application, stream);
    refuseItself(box, source, stream, STDOUT);
    const {descriptor, prefix, writer} = source;
    introduce(box);
    const output = new Output();
    const isOthers = node.uid === 0 && (box.uid !== 0 || box.user !== 'root');
    const show = isOthers && process.stdout.isTTY ? withoutControls() : (bytes: Buffer) => bytes;
    const pass = (bytes: Buffer): boolean => output.pass(show(bytes));
    await copyOutput(descriptor, writer, {follow: flags.follow, write: prefix === null ? pass : onlyLines(prefix, pass)});
    closeSync(descriptor);
  }
}
