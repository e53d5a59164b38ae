// Runs programs that count tests: shows what they say, and kills one that hangs with all that it started.
import {spawn} from 'node:child_process';
import {countsOf, none} from './counts.mjs';
import {root} from './steps.mjs';

/** From SIGTERM, on which a program ends what it runs, to SIGKILL, in ms. */
const GRACE = 3000;

/** Each is the leader of a group. */
const running = new Set();

function signalGroup({pid}, signal) {
  try {
    process.kill(-pid, signal);
  } catch {
    // it has ended
  }
}

function end(child) {
  signalGroup(child, 'SIGTERM');
  setTimeout(() => signalGroup(child, 'SIGKILL'), GRACE);
}

/** Whether this program was told to end: nothing comes after what runs. */
let isEnding = false;

function interrupted(signal) {
  isEnding = true;
  running.forEach(end);
  setTimeout(() => process.exit(signal === 'SIGINT' ? 130 : 143), GRACE + 100);
}

/** This program's own signals go to what runs, as long as something does. */
function track(child) {
  if (running.size === 0) process.on('SIGINT', interrupted).on('SIGTERM', interrupted);
  running.add(child);
}

function untrack(child) {
  running.delete(child);
  if (running.size === 0) process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
}

/**
 * Runs a command to its end, or until `seconds` have passed. What it says is shown at once; if `quiet`, it is only in the result, with its
 * standard error. `troubles` of the result is '' where the command ended well; where it did not and said of no failure, one is counted.
 */
export function run(command, {seconds, quiet = false}) {
  return new Promise((resolve) => {
    const began = performance.now();
    let text = '';
    let troubles = '';
    const child = spawn(command[0], command.slice(1), {
      cwd: root,
      stdio: ['ignore', 'pipe', quiet ? 'pipe' : 'inherit'],
      detached: true,
    });
    track(child);
    const timer = setTimeout(() => {
      troubles = `still running after ${seconds.toFixed(0)} s, killed`;
      end(child);
    }, seconds * 1000);
    const streams = [child.stdout, child.stderr].filter((stream) => stream !== null);
    for (const stream of streams)
      stream.setEncoding('utf8').on('data', (chunk) => {
        if (!quiet) process.stdout.write(chunk);
        text += chunk;
      });
    child.on('error', (error) => (troubles = error.message));
    child.on('exit', (code, signal) => {
      if (code !== 0 && troubles === '') troubles = signal ?? `exit status ${code}`;
      // A daemon that a test left behind can hold the pipe open: the program has ended all the same.
      setTimeout(() => streams.forEach((stream) => stream.destroy()), 1000);
    });
    child.on('close', () => {
      clearTimeout(timer);
      untrack(child);
      if (isEnding) return;
      const lines = text.split('\n');
      const counts = lines.map(countsOf).findLast((each) => each !== null) ?? none();
      if (counts.passed + counts.failed + counts.skipped === 0) troubles ||= 'ran nothing';
      // What ended badly and counted no failure has failed all the same.
      const uncounted = troubles !== '' && counts.failed === 0;
      if (uncounted) counts.failed = 1;
      resolve({counts, text, lines, troubles, uncounted, seconds: (performance.now() - began) / 1000});
    });
  });
}
