// npm start: sets up what this machine lacks, builds what is out of date, then runs the job below.
import {spawn} from 'node:child_process';
import {constants} from 'node:os';
import {build} from './build.mjs';
import {BOX, nodeVersion, systemPackages} from './setup.mjs';
import {main, root} from './steps.mjs';

/** The main job. `npm start -- ARGUMENT…` runs `bin/tare ARGUMENT…` instead. */
const JOB = ['run', 'fixtures/jobs/good/mcsim.yaml', '--verbose'];

await main(async () => {
  nodeVersion();
  systemPackages(BOX);
  build();
  const given = process.argv.slice(2);
  const child = spawn('bin/tare', given.length > 0 ? given : JOB, {cwd: root, stdio: 'inherit'});
  // The terminal's signals reach the job by themselves: it is in the same process group. Others are passed on.
  for (const signal of ['SIGINT', 'SIGQUIT']) process.on(signal, () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
});
