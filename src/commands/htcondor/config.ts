import {Command, Flags} from '@oclif/core';
import {configuration, PARTS, type Part} from '../../../plugins/htcondor/configuration.js';

export default class HtcondorConfig extends Command {
  static override summary = 'Print what goes into HTCondor’s configuration.';
  static override description =
    'For a worker node (`node`, the default), for a schedd (`schedd`), or the program by which a worker node’s startd learns whether the node is healthy (`cron`). Each line says what it is for.';
  static override examples = [
    '<%= config.bin %> htcondor config > /etc/condor/config.d/60-tare-node.conf',
    '<%= config.bin %> htcondor config --for cron > /usr/libexec/condor/tare-health',
    '<%= config.bin %> htcondor config --for schedd > /etc/condor/config.d/61-tare-schedd.conf',
  ];
  static override flags = {
    for: Flags.option({options: PARTS, default: 'node' as Part, description: 'what it is for'})(),
    directory: Flags.string({default: '/opt/tare', description: 'where Tare lies on the nodes', helpValue: 'DIR'}),
  };

  async run(): Promise<void> {
    const {flags} = await this.parse(HtcondorConfig);
    this.log(configuration(flags.for, flags.directory).trimEnd());
  }
}
