/**
 * What the starter hands to its wrapper: a job, its own container runtime's command line, or the sshd of condor_ssh_to_job. Recognised
 * whole: by what the starter alone puts together and by the job's ad, never by an executable's name. Pure.
 */

import type {BatchCall, BatchJob} from '@tare/contract';
import type {Ad} from './classad.js';

type Kind = Pick<BatchJob, 'kind' | 'because'>;

const SPECIAL = /\/(?:sshd|apptainer|singularity)$/;

/** @param isNodes whether a program is the node's, and nothing that a user could have put there */
export function kindOf({argv, environment, role}: BatchCall, job: Ad, isNodes: (program: string) => boolean): Kind {
  const ordinary: Kind = {kind: 'job', because: 'an ordinary job'};
  const [program = ''] = argv;
  if (role !== 'wrapper' || !SPECIAL.test(program) || !isNodes(program)) return ordinary;
  if (isSession(argv, environment)) return {kind: 'session', because: 'condor_ssh_to_job'};
  if (isContainer(argv, environment, job))
    return {
      kind: 'container',
      because: 'a container job: HTCondor’s runtime brings its own namespaces, and a setuid one works in no other',
    };
  return ordinary;
}

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
