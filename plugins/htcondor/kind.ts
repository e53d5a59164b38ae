/**
 * What the starter hands to its wrapper: a job, its own container runtime's command line, or the sshd of condor_ssh_to_job. Recognised
 * whole: by what the starter alone puts together and by the job's ad, never by an executable's name. Pure.
 */

import type {BatchCall, BatchJob} from '@tare/contract';
import type {Ad} from './classad.js';

type Kind = Pick<BatchJob, 'kind' | 'because'>;

export function kindOf(call: BatchCall, job: Ad): Kind {
  const {argv, environment} = call;
  if (isJobs(argv[0] ?? '', call)) return {kind: 'job', because: 'an ordinary job'};
  if (isSession(argv, environment)) return {kind: 'session', because: 'condor_ssh_to_job'};
  if (isContainer(argv, environment, job))
    return {
      kind: 'container',
      because: 'a container job: HTCondor’s runtime brings its own namespaces, and a setuid one works in no other',
    };
  return {kind: 'job', because: 'an ordinary job'};
}

/** What a job brought along is no runtime of the node's. */
const isJobs = (program: string, {cwd, environment}: BatchCall): boolean =>
  [cwd, environment['_CONDOR_SCRATCH_DIR'] ?? cwd].some((directory) => program.startsWith(`${directory}/`));

/** `sshd -i -e -f FILE`, with the starter's own configuration in the scratch directory (condor_ssh_to_job_sshd_setup). */
function isSession(argv: readonly string[], {_CONDOR_SCRATCH_DIR: scratch}: BatchCall['environment']): boolean {
  const [program = '', ...options] = argv;
  const file = options[options.indexOf('-f') + 1] ?? '';
  return (
    program.endsWith('/sshd') &&
    options.length === 4 &&
    options[0] === '-i' &&
    options[1] === '-e' &&
    scratch !== undefined &&
    file.startsWith(`${scratch}/.condor_ssh_to_job_`) &&
    file.endsWith('/sshd_config')
  );
}

/** `apptainer -s exec … IMAGE …` or `singularity …`, its first options by the site's SINGULARITY_VERBOSITY, for a job whose ad or slot asks for an image. */
function isContainer(argv: readonly string[], environment: BatchCall['environment'], job: Ad): boolean {
  const [program = '', ...rest] = argv;
  const verb = rest.find((argument) => !argument.startsWith('-'));
  const runtime = /\/(?:apptainer|singularity)$/.test(program) && (verb === 'exec' || verb === 'run');
  if (!runtime || environment['_CONDOR_SCRATCH_DIR_OUTSIDE_CONTAINER'] === undefined) return false;
  const image = job.string('ContainerImage') ?? job.string('SingularityImage') ?? job.string('DockerImage');
  return image !== null || argv.some((argument) => argument === '-C' || argument === '--contain');
}
