import {existsSync, realpathSync, statSync} from 'node:fs';
import {Args, Command, Flags} from '@oclif/core';
import {readBatchJob} from '../batch/detect.js';
import {effects} from '../batch/effects.js';
import {architecturesOf, isProcessor} from '../engine/bpf.js';
import type {Looks} from '../equivalent/mounts.js';
import {renderEquivalent} from '../equivalent/render.js';
import {TOOL_NAMES, type ToolName} from '../equivalent/table.js';
import {TareError} from '../errors.js';
import {readPolicy} from '../files/documents.js';
import {isDirectory} from '../files/real-place.js';
import {jobFiles} from '../files/job-files.js';
import {unknownEngines, unknownText} from '../plan/engine-names.js';
import {repositoryOf} from '../plan/cvmfs.js';
import {resolve} from '../plan/resolve.js';
import {stepOf, stepsOf} from '../plan/step.js';
import {ENGINES, PLUGINS} from '../plugins.js';
import {accountIn} from '../prepare/identity.js';
import {newAttemptContext, type AttemptContext} from '../prepare/attempt-context.js';
import type {Source} from '../prepare/load-job.js';
import type {Prepared} from '../prepare/planned.js';
import {prepare} from '../prepare/prepare.js';
import {KeptSignals} from '../process/kept-signals.js';
import {silentLog} from '../process/log.js';
import {NATIVE} from '../process/native.js';
import {renderTable} from '../report/table.js';
import {foundOf} from '../repositories/usable.js';
import {switchOn, switchText} from '../run/kill-switch.js';
import {lookAtWorld} from '../run/look.js';
import {endMounted} from '../run/refuse.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {explainPlan} from '../steps/explain.js';
import {jobFlags, readJobFlags} from './shared/job-flags.js';
import {complain, explain} from './shared/output.js';

export default class PlanCommand extends Command {
  static override summary = 'Say what `tare run` would do, and why; touch nothing.';
  static override usage = ['plan JOB [flags]', 'plan [flags] -- COMMAND [ARGUMENT...]'];
  static override examples = [
    '<%= config.bin %> plan job.yaml',
    '<%= config.bin %> plan job.yaml --json > plan.json',
    '<%= config.bin %> plan job.yaml --as docker',
  ];
  static override strict = false;
  static override args = {job: Args.string({description: 'job descriptor; - for standard input', ignoreStdin: true})};
  static override flags = {
    ...jobFlags,
    json: Flags.boolean({description: 'print the plan itself, as `tare run --plan` takes it'}),
    as: Flags.option({
      options: TOOL_NAMES,
      description: 'print what comes closest with another tool, and where that is weaker or different',
      exclusive: ['json'],
    })(),
    probe: Flags.boolean({description: 'look at repositories and the image as a run would, and say what was decided; nothing is run'}),
  };

  async run(): Promise<void> {
    const dashes = this.argv.indexOf('--');
    const command = dashes === -1 ? null : this.argv.slice(dashes + 1);
    const {flags, argv} = await this.parse(PlanCommand, dashes === -1 ? this.argv : this.argv.slice(0, dashes));
    try {
      const source = sourceOf(argv as string[], command);
      const environment = process.env as Record<string, string>;
      const call = {role: 'command' as const, argv: command ?? [], environment, cwd: process.cwd(), uid: process.getuid?.() ?? -1};
      const files = jobFiles(accountIn(call.cwd), call.cwd);
      const attempt = newAttemptContext(
        await readBatchJob(
          PLUGINS,
          call,
          effects(files, () => undefined),
        ),
        call.role,
        files,
        existsSync(NATIVE) ? {pid: process.pid, executable: realpathSync(NATIVE)} : undefined,
      );
      const request = {source, flags: readJobFlags(flags), policyFile: flags.policy ?? null, engines: ENGINES, engine: flags.engine};
      const policy = await readPolicy(request.policyFile, attempt.caller.uid);
      for (const unknown of unknownEngines(policy, ENGINES)) complain(unknownText(unknown));
      const switched = switchOn(policy);
      if (switched !== null) complain(switchText(switched));
      const prepared = await prepare(request, policy, environment, call.cwd, attempt);
      const planned = flags.probe ? await resolved(prepared, attempt) : await withImage(prepared);
      if (flags.json) this.log(JSON.stringify(planned.plan, null, 2));
      else if (flags.as !== undefined) this.log(equivalent(flags.as, planned, environment));
      else this.log(explained(planned.plan));
    } catch (error) {
      const switched = switchOn(null);
      if (switched !== null) complain(switchText(switched));
      this.exit(explain(error));
    }
  }
}

const explained = (plan: Plan): string =>
  explainPlan(plan)
    .map(({title, head, rows}) => {
      const columns = head.map((header, index) => ({header, wrap: index === head.length - 1}));
      return `${title}\n${renderTable(columns, rows, terminal())}`;
    })
    .join('\n');

/** The text of another tool, for this node as it is now. */
const equivalent = (name: ToolName, {plan, caller, facts}: Prepared, environment: Readonly<Record<string, string>>): string =>
  renderEquivalent(name, plan, {
    caller,
    environment,
    looks,
    architectures: isProcessor(process.arch) ? architecturesOf(process.arch) : [],
    abilities: Object.fromEntries(facts.engines.map((engine) => [engine.name, engine.abilities])),
  });

const looks: Looks = (path) => {
  try {
    const found = statSync(path, {throwIfNoEntry: false});
    return found === undefined ? null : found.isDirectory() ? 'directory' : 'file';
  } catch {
    return null; // the caller may not go there
  }
};

const terminal = (): {width?: number} => (process.stdout.isTTY ? {width: process.stdout.columns} : {});

function sourceOf(files: string[], command: string[] | null): Source {
  const [file] = files;
  if (command !== null && command.length > 0 && files.length === 0) return {kind: 'command', argv: command, callerArgvIndex: null};
  if (command === null && files.length === 1 && file !== undefined) return {kind: 'descriptor', file};
  throw new TareError('DOCUMENT_INVALID', {
    message: 'exactly one job must be given',
    where: 'command line',
    found: String(files.length),
    allowed: 'JOB, or -- COMMAND',
  });
}

/** Resolves the plan as a run does before it makes anything, and unmounts what it mounted for that. Leases no names and addresses. */
async function resolved(prepared: Prepared, attempt: AttemptContext): Promise<Prepared> {
  try {
    const looking = {shimPid: process.ppid, doing: () => undefined, kept: new KeptSignals(), log: silentLog};
    const {plan, ...looked} = await lookAtWorld(prepared, attempt, looking);
    return {...looked, plan: resolve(plan, {repositories: foundOf(attempt.looked), hostname: null, exists: isDirectory})};
  } finally {
    await endMounted(attempt);
  }
}

/** Looks at the image without mounting anything: an image in a repository that Tare would mount is taken for a directory tree, which it has to be. */
async function withImage(prepared: Prepared): Promise<Prepared> {
  const {plan} = prepared;
  const image = stepOf(plan, 'image.take')?.path ?? '';
  const isMounted = stepsOf(plan, 'cvmfs.mount').some(({root, repository}) => repositoryOf(image, root) === repository);
  try {
    return (await prepared.withImage?.(null)) ?? prepared;
  } catch (error) {
    if (isMounted && error instanceof TareError && error.code === 'IMAGE_UNUSABLE') return prepared;
    throw error;
  }
}
