import {Args, Command, Flags, type Interfaces} from '@oclif/core';
import {TareError} from '../errors.js';
import {allThatCame} from '../process/trace.js';
import {formatSummary, stopText} from '../report/summary.js';
import {formatTrace} from '../report/trace.js';
import {ENGINES, PLUGINS} from '../plugins.js';
import {canonicalJson} from '../plan/canonical.js';
import type {Source} from '../prepare/load-job.js';
import type {RunResult} from '../prepare/request.js';
import {serve} from '../run/serve.js';
import {examineTrial, newTrial} from '../run/trial.js';
import {TARE_VERSION} from '../version.js';
import {shimDescriptor, runThroughShim} from './shared/shim.js';
import {complain, explain, say, sayOnError} from './shared/output.js';
import {jobFlags, readJobFlags} from './shared/job-flags.js';
import {openProgress, PROGRESS_MODES} from './shared/progress.js';

export default class Run extends Command {
  static override summary = 'Run a job in its box; end as the payload ended.';
  static override description =
    'JOB is a descriptor (tare/job/v1), - one on standard input, and then the first word; or give the command after `--`. Exit status: the payload’s own, or death by its signal; 125 when the wrapper or its input is at fault, 126 when the policy refused, 127 when the payload cannot be executed.';
  static override usage = ['run JOB [flags]', 'run - [flags]', 'run [flags] -- COMMAND [ARGUMENT...]', 'run --plan FILE [flags]'];
  static override examples = [
    '<%= config.bin %> run job.yaml --verbose',
    '<%= config.bin %> import container.conf | <%= config.bin %> run - --stdin script.sh',
    '<%= config.bin %> run --cores 2 --memory 2GiB -- ./simulate --events 1000',
  ];
  static override strict = false;
  static override args = {job: Args.string({description: 'job descriptor', ignoreStdin: true})};
  static override flags = {
    ...jobFlags,
    plan: Flags.string({description: 'run a plan that `tare plan --json` wrote, after checking that it fits this node', helpValue: 'FILE'}),
    stdin: Flags.string({description: 'file that is the payload’s standard input; with - the default is /dev/null', helpValue: 'FILE'}),
    record: Flags.string({description: 'write a copy of the final record there', helpValue: 'FILE'}),
    progress: Flags.option({
      options: PROGRESS_MODES,
      description: 'one line on the terminal while it runs; auto: only if nothing in the box writes to that terminal',
      default: 'auto',
    })(),
    json: Flags.boolean({description: 'print the record on standard output at the end'}),
    trace: Flags.boolean({description: 'say at the end where the time went, in milliseconds, on standard error'}),
    probe: Flags.boolean({description: 'try a box without a job: print the result, and leave nothing', hidden: true}),
    attacks: Flags.string({
      description: 'with --probe: the job attacks its box, and its images lie in this directory',
      helpValue: 'DIRECTORY',
      hidden: true,
      dependsOn: ['probe'],
    }),
    bare: Flags.boolean({description: 'with --attacks: without a box', hidden: true, dependsOn: ['attacks']}),
    verbose: Flags.boolean({char: 'v', description: 'log to standard error, and say at the end what was allowed and used'}),
  };

  async run(): Promise<void> {
    const descriptor = shimDescriptor();
    if (descriptor === null) {
      try {
        await runThroughShim(['run', ...this.argv]);
      } catch (error) {
        if (error instanceof TareError) this.error(error.message, {exit: error.exit});
        throw error;
      }
    }
    const {flags, files, command} = await this.read();
    const onlooker = await openProgress(flags.progress, flags.verbose);
    const attacks = flags.attacks === undefined ? null : {directory: flags.attacks, bare: flags.bare, engine: flags.engine ?? null};
    const trial = flags.probe ? newTrial(attacks) : null;
    let began = {startedUs: 0, supervisor: 1};
    await serve(
      descriptor ?? 0,
      (hello) => {
        began = hello;
        return {
          source: this.source(flags.plan, files, command, hello.argv),
          flags: readJobFlags(flags),
          policyFile: flags.policy ?? null,
          recordCopy: flags.record ?? null,
          verbose: flags.verbose,
          usesStdout: flags.json || flags.probe,
          role: 'command',
          onlooker,
          // a trial has no job: no batch system is told of it
          plugins: trial === null ? PLUGINS : [],
          engines: ENGINES,
          engine: flags.engine,
          ...(trial === null ? {} : {probe: trial}),
          version: TARE_VERSION,
        };
      },
      (result) => {
        if (trial === null) this.report(result, flags);
        else this.log(JSON.stringify(examineTrial(result, trial)));
        if (flags.trace) sayOnError(formatTrace(allThatCame(), began.startedUs, began.supervisor === 1));
      },
    );
  }

  /** What is before `--` is ours, what is after it is the payload's. */
  private async read(): Promise<{flags: RunFlags; files: string[]; command: string[] | null}> {
    const dashes = this.argv.indexOf('--');
    const own = dashes === -1 ? this.argv : this.argv.slice(0, dashes);
    const command = dashes === -1 ? null : this.argv.slice(dashes + 1);
    const {flags, argv} = await this.parse(Run, own);
    return {flags, files: argv as string[], command};
  }

  private source(plan: string | undefined, files: string[], command: string[] | null, callerArgv: string[]): Source {
    const given = (plan === undefined ? 0 : 1) + files.length + (command === null ? 0 : 1);
    const [file] = files;
    // what stands elsewhere the shim has not read (native/input.c)
    if (file === '-' && callerArgv[2] !== '-') {
      throw new TareError('DOCUMENT_INVALID', {
        message: '- for a job on standard input has to be the first word after run',
        where: 'command line',
        allowed: 'tare run - [flags]',
      });
    }
    if (given !== 1 || command?.length === 0) {
      throw new TareError('DOCUMENT_INVALID', {
        message: 'exactly one job must be given',
        where: 'command line',
        found: command?.length === 0 ? 'nothing after --' : String(given),
        allowed: 'JOB, --plan FILE, or -- COMMAND',
      });
    }
    if (plan !== undefined) return {kind: 'plan', file: plan};
    if (command !== null) return {kind: 'command', argv: command, callerArgvIndex: callerArgv.indexOf('--') + 1};
    return {kind: 'descriptor', file: file ?? ''};
  }

  private report({record, path, messages}: RunResult, {json, verbose}: RunFlags): void {
    if (record === null) return;
    try {
      if (json) say(canonicalJson(record));
    } catch (error) {
      explain(error); // the payload's exit status stays
    }
    if (verbose) sayOnError(formatSummary(record, path).trimEnd());
    else if (record.outcome.status === 'limit') complain(stopText(record.outcome));
    // the shim says it where nothing was executed; else it has let the caller’s outputs go
    if (record.time.startEpochUs !== null) for (const message of messages) complain(message);
  }
}

type RunFlags = Interfaces.InferredFlags<typeof Run.flags>;
