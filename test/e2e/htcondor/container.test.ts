/**
 * A container job: the wrapper is given the runtime's command line. The runtime here is a stand-in (fixtures/htcondor/apptainer), which shows
 * what the starter makes of a job, and what the wrapper makes of that.
 */
import {mkdirSync, readFileSync, readlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {installed} from '../../support/tare.js';
import {poolFor, WITHOUT, WRAPPERS} from './variants.js';

const APPTAINER = join(installed(), 'fixtures/htcondor/apptainer');
const FIXTURES = new URL('../../../fixtures/htcondor/', import.meta.url);
/** Files in which the ads of a job are kept, for tests of their readers. */
const ADS = ['job', 'machine'] as const;
const update = process.env.TARE_UPDATE_FIXTURES === '1';

for (const variant of [WITHOUT, ...WRAPPERS]) {
  describe(`a container job under HTCondor, ${variant.name}`, () => {
    const pool = poolFor(variant, {config: [`SINGULARITY = ${APPTAINER}`]});

    it('is executed by its runtime, with limits and a record and no namespaces around', async () => {
      const job = await pool().submit({
        universe: 'container',
        container_image: '/cvmfs/unpacked.example.org/image-el9',
        container_target_dir: '/srv',
        executable: '/bin/sh',
        transfer_executable: false,
        arguments: `"-c 'readlink /proc/self/ns/pid; cp .job.ad job.ad; cp .machine.ad machine.ad' 'a b'"`,
      });
      await job.wait('terminated');
      expect([(await job.finalAd()).get('ExitCode'), job.output, job.error]).to.deep.equal(['0', `${ourNamespace()}\n`, '']);
      expect(job.returned()).to.deep.equal(['apptainer-argv', 'err.0', 'job.ad', 'machine.ad', 'out.0']);

      const argv = scrub(job.read('apptainer-argv')).split('\0').slice(0, -1);
      if (update && variant === WITHOUT) {
        write('apptainer-argv.json', `${JSON.stringify(argv, null, 2)}\n`);
        for (const name of ADS) write(`ads/container.${name}.ad`, scrub(job.read(`${name}.ad`)));
      }
      expect(argv).to.deep.equal(JSON.parse(readFileSync(new URL('apptainer-argv.json', FIXTURES), 'utf8')));

      if (variant === WITHOUT) return;
      const [record] = pool().records();
      expect(record).to.deep.include({mode: 'limits-only', state: 'final'});
      expect(record?.lrms.localJobId).to.equal(job.id);
      expect(record?.limits?.memory).to.deep.include({value: (256 - 20) * 1024 * 1024});
      expect(record?.limits?.memory.enforcement).not.to.equal('none');
    });

    it('fails as its payload does', async () => {
      const job = await pool().submit({
        universe: 'container',
        container_image: '/cvmfs/unpacked.example.org/image-el9',
        executable: '/bin/sh',
        transfer_executable: false,
        arguments: `"-c 'exit 3'"`,
      });
      await job.wait('terminated');
      expect((await job.finalAd()).get('ExitCode')).to.equal('3');
    });

    /** What differs from run to run, and where it was. */
    function scrub(text: string): string {
      const hostname = readFileSync('/proc/sys/kernel/hostname', 'utf8').trim();
      return text
        .replaceAll(APPTAINER, '/usr/bin/apptainer')
        .replaceAll(/[^\s\0":=]*\/execute\/dir_\d+/g, '/scratch/dir_7')
        .replaceAll(pool().directory, '/scratch/pool')
        .replaceAll(pool().submitter.name, 'submitter')
        .replaceAll(new RegExp(`(?<![\\w.-])${hostname}(?![\\w-])`, 'g'), 'worker.example.org');
    }
  });
}

const ourNamespace = (): string => readlinkSync('/proc/self/ns/pid');

function write(name: string, text: string): void {
  mkdirSync(new URL('ads/', FIXTURES), {recursive: true});
  writeFileSync(new URL(name, FIXTURES), text);
}
