import {Args, Command} from '@oclif/core';
import {ENGINES, PLUGINS} from '../plugins.js';
import {holdBox} from '../run/hold.js';
import {TARE_VERSION} from '../version.js';
import {shimDescriptor} from './shared/shim.js';

export default class Hold extends Command {
  static override hidden = true;
  static override summary = 'Hold the box that the tasks of a step share; called by tare-wrap.';
  static override usage = ['hold DIRECTORY -- COMMAND [ARGUMENT...]'];
  static override strict = false;
  static override args = {directory: Args.string({description: 'folder of the step', required: true, ignoreStdin: true})};

  async run(): Promise<void> {
    const descriptor = shimDescriptor();
    const dashes = this.argv.indexOf('--');
    const [directory] = this.argv;
    if (descriptor === null || dashes !== 1 || directory === undefined) this.error('tare-wrap calls this', {exit: 64});
    await holdBox(descriptor, directory, {plugins: PLUGINS, engines: ENGINES, version: TARE_VERSION});
  }
}
