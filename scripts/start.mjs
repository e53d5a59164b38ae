// npm start: sets up what this machine lacks, builds what is out of date, then runs the job below.
import {spawn} from 'node:child_process';
import {createHash} from 'node:crypto';
import {chmodSync, chownSync, copyFileSync, mkdtempSync, readFileSync} from 'node:fs';
import {constants} from 'node:os';
import path from 'node:path';
import {build} from './build.mjs';
import {BOX, nodeVersion, systemPackages} from './setup.mjs';
import {main, root} from './steps.mjs';

/** The main job. `npm start -- ARGUMENT…` runs `bin/tare ARGUMENT…` instead. */
const JOB = ['run', path.join(root, 'fixtures/jobs/good/mcsim.yaml'), '--verbose'];
const NOBODY = 65534;

/** A work directory with the payload in it. Root's job runs as the directory's owner, who need not be able to read this checkout. */
function workDirectory() {
  const directory = mkdtempSync('/var/tmp/tare-start-');
  copyFileSync(path.join(root, 'fixtures/payloads/build/mcsim'), path.join(directory, 'mcsim'));
  chmodSync(path.join(directory, 'mcsim'), 0o755);
  if (process.getuid() === 0) chownSync(directory, NOBODY, NOBODY);
  return directory;
}

/** What the job should have written (fixtures/payloads/README.md, Determinism). */
function checkHits(directory) {
  const found = createHash('sha256')
    .update(readFileSync(path.join(directory, 'HITS')))
    .digest('hex');
  const [known] = readFileSync(path.join(root, 'fixtures/payloads/mcsim.sha256'), 'utf8').split(/\s+/);
  process.stderr.write(
    `${path.join(directory, 'HITS')}: ${found === known ? 'the same bytes as on bare metal' : `${found}, expected ${known}`}\n`,
  );
}

await main(async () => {
  nodeVersion();
  systemPackages(BOX);
  build();
  const given = process.argv.slice(2);
  const directory = given.length > 0 ? null : workDirectory();
  const options = directory === null ? {} : {cwd: directory, env: {...process.env, PATH: `${directory}:${process.env.PATH}`}};
  const child = spawn(path.join(root, 'bin/tare'), given.length > 0 ? given : JOB, {stdio: 'inherit', ...options});
  // The terminal's signals reach the job by themselves: it is in the same process group. Others are passed on.
  for (const signal of ['SIGINT', 'SIGQUIT']) process.on(signal, () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (directory !== null && code === 0) checkHits(directory);
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });
});
