import {Command, Flags} from '@oclif/core';
import {execAsOwner, execInBox} from '../live/exec.js';
import {narrowTo} from '../live/live.js';
import {meet} from '../run/serve.js';
import {boxArgs, boxFlags, introduce, oneBox, openNode} from './shared/boxes.js';
import {splitExec, withWholePaths} from './shared/exec-words.js';
import {shimDescriptor, runThroughShim} from './shared/shim.js';
import {explain} from './shared/output.js';

/** Parses NAME=VALUE; with a null value the caller's own is used. */
const variableFlag = Flags.custom<{name: string; value: string | null}>({
  parse: (written) => {
    const equals = written.indexOf('=');
    const name = equals === -1 ? written : written.slice(0, equals);
    if (name === '') return Promise.reject(new Error(`${JSON.stringify(written)} is no variable; allowed: NAME or NAME=VALUE`));
    return Promise.resolve({name, value: equals === -1 ? null : written.slice(equals + 1)});
  },
});

export default class Exec extends Command {
  static override summary = 'Run a command in the box of a live job; end as the command ended.';
  static override description =
    'The command runs in the job’s namespaces and control groups, as the payload’s user, with the payload’s environment, limits and work directory; on the terminal, if there is one. Its usage is part of the job’s, and it is killed with the box. Exit status: the command’s own, or death by its signal; 125 when there is no such box, it is another user’s, is paused or cannot be joined; 127 when the command cannot be executed; 64 when the command line is wrong.';
  static override usage = ['exec ID [flags] -- COMMAND [ARGUMENT...]', 'exec [flags] ID COMMAND [ARGUMENT...]'];
  static override examples = [
    '<%= config.bin %> exec 5c1f -- ps axu',
    '<%= config.bin %> exec 5c1f --env PS1="box> " -- bash',
    '<%= config.bin %> exec -it simulate bash',
  ];
  static override args = boxArgs;
  static override flags = {
    ...boxFlags,
    env: variableFlag({
      char: 'e',
      description: 'set a variable; without a value, take it from here',
      multiple: true,
      // the id may follow it
      multipleNonGreedy: true,
      helpValue: 'NAME[=VALUE]',
    }),
    interactive: Flags.boolean({char: 'i', description: 'taken and without effect: the command has what the caller has'}),
    tty: Flags.boolean({char: 't', description: 'taken and without effect: it has a terminal where the caller has one'}),
  };

  async run(): Promise<void> {
    const descriptor = shimDescriptor();
    if (descriptor === null) {
      try {
        await runThroughShim(['exec', ...this.argv]);
      } catch (error) {
        this.exit(explain(error));
      }
      return;
    }
    // parsing changes it
    const argv = [...this.argv];
    const {own, begin} = splitExec(argv);
    const {args, flags} = await this.parse(Exec, own);
    if (begin === null) this.error('a command is wanted after --: tare exec ID -- COMMAND', {exit: 64});
    const environment = flags.env ?? [];
    await meet(descriptor, async (hello, channel) => {
      const node = await openNode(flags.policy);
      const box = narrowTo(oneBox(node, args.id), flags.application);
      introduce(box);
      if (node.uid === 0 && box.uid !== 0) return {ending: await execAsOwner(box, withWholePaths(argv, begin), hello, channel)};
      const ending = await execInBox(
        box,
        // the caller's argv ends with these words
        {callerArgvIndex: hello.argv.length - argv.length + begin, environment, application: flags.application ?? null},
        hello,
        channel,
      );
      return {ending};
    });
  }
}
