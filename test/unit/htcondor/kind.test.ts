import {readFileSync} from 'node:fs';
import {expect} from 'chai';
import {parseAd} from '../../../plugins/htcondor/classad.js';
import {kindOf} from '../../../plugins/htcondor/kind.js';

const SCRATCH = '/scratch/dir_7';
/** What is below these is the node's. */
const isNodes = (program: string) => program.startsWith('/usr/');
const kind = (argv: string[], ad = '', environment: Record<string, string> = {}, role: 'wrapper' | 'command' = 'wrapper') =>
  kindOf({role, argv, environment: {_CONDOR_SCRATCH_DIR: SCRATCH, ...environment}, cwd: SCRATCH, uid: 1}, parseAd(ad), isNodes).kind;

describe('what the starter hands over', () => {
  const session = ['/usr/sbin/sshd', '-i', '-e', '-f', `${SCRATCH}/.condor_ssh_to_job_1/sshd_config`];
  it('is a session only by the starter’s whole command line', () => {
    expect(kind(session)).to.equal('session');
    expect(kind([...session, '-d'])).to.equal('job');
    expect(kind(session, '', {}, 'command')).to.equal('job');
    expect(kind(['/tmp/bin/sshd', ...session.slice(1)])).to.equal('job');
    expect(kind(['/usr/sbin/sshd', '-i', '-e', '-f', '/tmp/.condor_ssh_to_job_1/sshd_config'])).to.equal('job');
    expect(kind([`${SCRATCH}/sshd`, ...session.slice(1)])).to.equal('job');
  });

  it('is a container, as a real starter says it', () => {
    const fixture = (name: string): string => readFileSync(new URL(`../../../fixtures/htcondor/${name}`, import.meta.url), 'utf8');
    const argv = JSON.parse(fixture('apptainer-argv.json')) as string[];
    expect(kind(argv, fixture('ads/container.job.ad'), {_CONDOR_SCRATCH_DIR_OUTSIDE_CONTAINER: SCRATCH})).to.equal('container');
  });

  it('is a container only when the job asks for an image and the starter says so', () => {
    const outside = {_CONDOR_SCRATCH_DIR_OUTSIDE_CONTAINER: SCRATCH};
    const argv = ['/usr/bin/apptainer', '-s', 'exec', '-S', '/tmp', 'image.sif', './job'];
    expect(kind(argv, 'ContainerImage = "image.sif"', outside)).to.equal('container');
    expect(kind(argv, 'ContainerImage = "image.sif"')).to.equal('job');
    expect(kind(argv, '', outside)).to.equal('job');
    expect(kind(['/home/me/bin/apptainer', ...argv.slice(1)], 'ContainerImage = "i"', outside)).to.equal('job');
    expect(kind([`${SCRATCH}/apptainer`, ...argv.slice(1)], 'ContainerImage = "i"', outside)).to.equal('job');
  });
});
