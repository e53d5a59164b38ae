import {Args, Command} from '@oclif/core';

const KINDS = ['job', 'policy', 'plan', 'record', 'health', 'event'] as const;

export default class SchemaCommand extends Command {
  static override summary = 'Print the JSON Schema (2020-12) of a document, for editors.';
  static override examples = ['<%= config.bin %> schema job > job.schema.json'];
  static override args = {kind: Args.string({description: 'kind of document', options: [...KINDS], required: true, ignoreStdin: true})};

  async run(): Promise<void> {
    const {args} = await this.parse(SchemaCommand);
    const {schema} = (await SCHEMAS[args.kind as (typeof KINDS)[number]]()) as {schema: object};
    this.log(JSON.stringify(schema, null, 2));
  }
}

const SCHEMAS: Readonly<Record<(typeof KINDS)[number], () => Promise<unknown>>> = {
  job: () => import('../schema/generated/job-1.schema.js'),
  policy: () => import('../schema/generated/policy-1.schema.js'),
  plan: () => import('../schema/generated/plan-1.schema.js'),
  record: () => import('../schema/generated/record-2.schema.js'),
  health: () => import('../schema/generated/health-1.schema.js'),
  event: () => import('../schema/generated/event-1.schema.js'),
};
