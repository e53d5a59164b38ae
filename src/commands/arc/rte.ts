import {mkdirSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {Command, Flags} from '@oclif/core';
import {CALLOUT, isPlain, runtimeEnvironment} from '../../../plugins/arc/runtime-environment.js';

/** Path of the runtime environment below a runtimedir of arc.conf. */
const NAME = 'ENV/TARE';
const CALLOUT_NAME = 'tare-finishing';

export default class ArcRte extends Command {
  static override summary = 'Print or install the runtime environment that runs ARC’s jobs in boxes.';
  static override description =
    'Run it on the CE, which does not need Tare itself. `arcctl rte default ENV/TARE` then switches it on for all jobs, `arcctl rte enable ENV/TARE` for those that ask for it.';
  static override examples = [
    '<%= config.bin %> arc rte --install /usr/share/arc/rte',
    '<%= config.bin %> arc rte --directory /cvmfs/site/tare > /etc/arc/rte/ENV/TARE',
    '<%= config.bin %> arc rte --callout > /etc/arc/tare-finishing',
  ];
  static override flags = {
    install: Flags.string({description: `write ${NAME} below this directory, a runtimedir of arc.conf`, helpValue: 'DIR'}),
    callout: Flags.boolean({description: `the callout for A-REX instead; --install writes it as ${CALLOUT_NAME}`}),
    directory: Flags.string({default: '/opt/tare', description: 'where Tare lies on the nodes', helpValue: 'DIR'}),
  };

  async run(): Promise<void> {
    const {flags} = await this.parse(ArcRte);
    const wrapper = `${flags.directory.replace(/\/+$/, '')}/bin/tare-wrap`;
    if (!isPlain(wrapper))
      this.error(`--directory: ${JSON.stringify(flags.directory)} is not an absolute path of letters, digits and ./+@%:,_-`, {exit: 64});
    const text = flags.callout ? CALLOUT : runtimeEnvironment({wrapper});
    if (flags.install === undefined) {
      this.log(text.trimEnd());
      return;
    }
    const path = join(flags.install, flags.callout ? CALLOUT_NAME : NAME);
    try {
      mkdirSync(dirname(path), {recursive: true});
      writeFileSync(path, text, {mode: flags.callout ? 0o755 : 0o644});
    } catch (error) {
      this.error(`${path} cannot be written: ${(error as Error).message}`, {exit: 1});
    }
    this.log(path);
  }
}
