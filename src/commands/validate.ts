import {Args, Command} from '@oclif/core';
import {EXIT} from '../errors.js';
import {nameOf} from '../files/documents.js';
import {validateFile} from '../prepare/validate.js';
import {explain} from './shared/output.js';

export default class Validate extends Command {
  static override summary = 'Check job descriptors, policies, plans and records.';
  static override usage = 'validate FILE...';
  static override examples = [
    '<%= config.bin %> validate job.yaml /etc/tare/policy.yaml',
    '<%= config.bin %> import container.conf | <%= config.bin %> validate -',
  ];
  static override strict = false;
  static override args = {file: Args.string({description: 'files to check; - for standard input', required: true, ignoreStdin: true})};

  async run(): Promise<void> {
    const {argv} = await this.parse(Validate);
    let healthy = true;
    for (const file of argv as string[]) {
      let valid: string | null = null;
      try {
        valid = await validateFile(file);
      } catch (error) {
        healthy = false;
        explain(error);
      }
      if (valid !== null) this.log(`${nameOf(file)}: ${valid}`);
    }
    if (!healthy) this.exit(EXIT.unhealthy);
  }
}
