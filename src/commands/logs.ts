import {closeSync, fstatSync} from 'node:fs';
import {Flags} from '@oclif/core';
import {copyOutput, lastLines, onlyLines, openSource, refuseItself} from '../live/output.js';
import type {LiveBox} from '../live/box-view.js';
import {becomeOwner, findLive} from '../live/live.js';
import {boxFlags, introduce, jobArgs, openNode} from './shared/boxes.js';
import {TareCommand} from './shared/command.js';
import {Output, STDOUT} from './shared/output.js';
import {withoutControls} from './shared/plain-bytes.js';

export default class Logs extends TareCommand {
  static override summary = 'Print what a job has written on its standard output, where that is a file.';
  static override description =
    'Of a live job the file is found through the open descriptors of the payload’s first process. Pipes, terminals and sockets are not read; the message names them. With several applications it is the caller’s file, with the lines of all or of one, or an application’s own file while it runs. Of a job that has ended it is the same file while it is as it was, else what the policy’s logs had kept: by default nothing. On root’s terminal control characters of another user are printed as ?. Exit status: 0; 125 when there is no such job, it is another user’s, its output is not a file, cannot be read or is not kept, or that file is where this command writes to.';
  static override examples = [
    '<%= config.bin %> logs 5c1f',
    '<%= config.bin %> logs 5c1f --stderr --follow',
    '<%= config.bin %> logs simulate --tail 20',
  ];
  static override args = jobArgs;
  static override flags = {
    ...boxFlags,
    follow: Flags.boolean({char: 'f', description: 'continue to print until the job has ended'}),
    stderr: Flags.boolean({description: 'standard error instead'}),
    tail: Flags.integer({
      char: 'n',
      description: 'begin with the last N lines that are there',
      min: 0,
      helpValue: 'N',
      exclusive: ['application'],
    }),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Logs);
    const node = await openNode(flags.policy);
    const box = findLive(node.policy, node.uid, args.id);
    const output = new Output();
    const stream = flags.stderr ? 'stderr' : 'stdout';
    const isOthers = node.uid === 0 && (box?.uid !== 0 || box.user !== 'root');
    const show = isOthers && process.stdout.isTTY ? withoutControls() : (bytes: Buffer) => bytes;
    const pass = (bytes: Buffer): boolean => output.pass(show(bytes));
    const {application, follow, tail} = flags;
    if (box !== null) {
      await showLive(box, {stream, application, follow, tail, pass});
      return;
    }
    const {showEnded} = await import('./shared/ended-output.js');
    showEnded(node, args.id, {stream, application, tail: tail ?? null, write: pass});
  }
}

interface Showing {
  stream: 'stdout' | 'stderr';
  application: string | undefined;
  follow: boolean;
  tail: number | undefined;
  pass: (bytes: Buffer) => boolean;
}

async function showLive(box: LiveBox, {stream, application, follow, tail, pass}: Showing): Promise<void> {
  becomeOwner(box);
  const source = await openSource(box, application, stream);
  refuseItself(box, source, stream, STDOUT);
  const {descriptor, prefix, writer} = source;
  introduce(box);
  const from = tail === undefined ? 0 : lastLines(descriptor, 0, fstatSync(descriptor).size, tail);
  await copyOutput(descriptor, writer, {from, follow, write: prefix === null ? pass : onlyLines(prefix, pass)});
  closeSync(descriptor);
}
