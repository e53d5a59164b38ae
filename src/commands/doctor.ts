import {Command, Flags} from '@oclif/core';
import {asTareError, EXIT} from '../errors.js';
import {diagnose, renderDiagnosis} from '../report/doctor.js';
import {examineNode} from '../run/examine.js';

export default class Doctor extends Command {
  static override summary = 'Say what this node can do, what each missing thing costs, and how to mend it.';
  static override description = 'Exit status 1 when the node cannot run a pattern that the policy allows.';
  static override flags = {
    policy: Flags.string({description: 'policy file instead of the node’s own', helpValue: 'FILE'}),
    json: Flags.boolean({description: 'print facts and diagnosis as JSON'}),
  };

  async run(): Promise<void> {
    const {flags} = await this.parse(Doctor);
    try {
      const examined = await examineNode(flags.policy ?? null);
      const diagnosis = diagnose(examined);
      this.log(
        flags.json
          ? JSON.stringify({facts: examined.facts, machine: examined.machine, ...diagnosis}, null, 2)
          : renderDiagnosis(diagnosis, process.stdout.isTTY ? {width: process.stdout.columns} : {}).trimEnd(),
      );
      if (!diagnosis.healthy) this.exit(EXIT.unhealthy);
    } catch (error) {
      if ((error as {oclif?: object}).oclif !== undefined) throw error;
      const trouble = asTareError(error);
      process.stderr.write(`tare: ${trouble.message}\n`);
      this.exit(trouble.exit);
    }
  }
}
