import {Args, Flags} from '@oclif/core';
import {TareError} from '../errors.js';
import {LARGEST_DOCUMENT} from '../files/documents.js';
import {readForeign} from '../files/foreign.js';
import {FORMATS} from '../import/formats.js';
import {importDescription} from '../import/import.js';
import {importedData, renderJob, renderPolicy} from '../import/render.js';
import {TareCommand} from './shared/command.js';
import {say, sayJson} from './shared/output.js';

export default class Import extends TareCommand {
  static override summary = 'Make a job descriptor of what another tool describes.';
  static override description =
    'FILE is a description of a container or service in one of the formats below; - is standard input. Printed is a descriptor (tare/job/v1) in which each value has its place in FILE behind it; then, as comments, what only the site’s policy can allow, and what was not taken, with reasons. Identity, devices, directories and privileges never become fields of a job. Exit status: 0; 125 when FILE cannot be read or is wrong.';
  static override usage = 'import FILE [flags]';
  static override examples = [
    '<%= config.bin %> import helloworld.xml > job.yaml',
    '<%= config.bin %> import helloworld.xml | <%= config.bin %> run - --stdin script.sh',
    '<%= config.bin %> import container.conf --policy > policy.yaml',
  ];
  static override args = {file: Args.string({description: 'description; - for standard input', required: true, ignoreStdin: true})};
  static override flags = {
    format: Flags.option({
      options: FORMATS.map(({name}) => name),
      description: `format of FILE, which is recognised otherwise. ${FORMATS.map(({name, title}) => `${name}: ${title}`).join('; ')}`,
    })(),
    part: Flags.string({description: 'which of several descriptions in FILE, such as a service of a compose file', helpValue: 'NAME'}),
    policy: Flags.boolean({description: 'print a fragment of a policy with what FILE asks the site for, instead of the job'}),
    json: Flags.boolean({description: 'print all of it as JSON', exclusive: ['policy']}),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Import);
    const imported = await importDescription({...readForeign(args.file), part: flags.part ?? null}, flags.format ?? null);
    if (flags.json) sayJson(importedData(imported));
    else
      say(
        readable(flags.policy ? await renderPolicy(imported) : await renderJob(imported), imported.file, flags.policy ? 'policy' : 'job'),
      );
  }
}

/** What is printed is for other commands to read, which take no more. @throws TareError DOCUMENT_INVALID */
function readable(text: string, file: string, what: string): string {
  const size = Buffer.byteLength(text);
  if (size <= LARGEST_DOCUMENT) return text.trimEnd();
  throw new TareError('DOCUMENT_INVALID', {
    message: `the ${what} that is made of it is larger than any that Tare reads`,
    where: file,
    found: `${String(size)} bytes, with the places and reasons`,
    allowed: `${String(LARGEST_DOCUMENT)} bytes`,
    remedy: 'take away what the job does not need, or use --json, which prints all of it as data',
  });
}
