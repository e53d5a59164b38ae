/** The line itself: drawn while nothing in the box has the terminal for its output, and erased before anything else is written. */

import {closeSync, constants, openSync, readdirSync, readlinkSync, writeSync} from 'node:fs';
import {isatty} from 'node:tty';
import {formatProgress, formatWait} from '../../report/progress.js';
import {errnoOf, ifPossible, printable} from '../../errors.js';
import {processesIn} from '../../supervise/box-processes.js';
import {monotonicUs} from '../../process/clock.js';
import {measure} from '../../live/figures.js';
import {statFields} from '../../process/process.js';
import {Rates} from '../../live/rates.js';
import type {TakeProgress} from '../../prepare/image.js';
import type {Onlooker, RunningBox} from '../../prepare/request.js';
import {TERMINAL} from './terminals.js';

const PERIOD_MS = 1_000;
/** Most processes whose open files are examined: more would take too long. */
const MOST_PROCESSES = 200;

/** No line break at the right margin: what is too long is cut there. */
const DRAW = {before: '\r\u001B[?7l', after: '\u001B[K\u001B[?7h'} as const;
const ERASE = '\r\u001B[K';

/** The progress of one job on a terminal, redrawn in place; `tare run` opens it. */
export class Progress {
  private readonly terminal: number;
  private readonly shimPid: number;
  private readonly always: boolean;
  private readonly rates = new Rates();
  private readonly startUs = monotonicUs();
  private isShown = false;

  private constructor(terminal: number, shimPid: number, always: boolean) {
    this.terminal = terminal;
    this.shimPid = shimPid;
    this.always = always;
  }

  /**
   * A terminal that is stopped (Ctrl-S) must not stop the supervisor, and O_NONBLOCK on the caller's open file would be the payload's too.
   */
  static open(path: string, shimPid: number, always: boolean): Onlooker | null {
    const terminal = ifPossible(() => openSync(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY));
    if (terminal === null) return null; // another user's (su)
    if (!isatty(terminal)) {
      closeSync(terminal);
      return null;
    }
    return {
      waiting: (look) => new Progress(terminal, shimPid, always).wait(look),
      running: (box) => new Progress(terminal, shimPid, always).follow(box),
    };
  }

  /** Draws the line while no payload runs, which could have the terminal. */
  private wait(look: () => TakeProgress | null): () => void {
    const timer = setInterval(() => {
      const progress = look();
      if (progress === null) return;
      if (!this.isOurs()) {
        this.isShown = false;
        return;
      }
      const {path: image, by} = progress;
      const amount = by === 'us' ? {bytes: progress.bytes, of: progress.of} : {bytes: 0, of: 0};
      const waitedUs = monotonicUs() - this.startUs;
      this.write(DRAW.before + printable(formatWait({waitedUs, image, byAnother: by === 'another', ...amount})) + DRAW.after);
      this.isShown = true;
    }, PERIOD_MS);
    return () => {
      clearInterval(timer);
      this.erase();
    };
  }

  private follow(box: RunningBox): () => void {
    this.rates.look([{id: 'job', cpuUs: 0}]);
    const timer = setInterval(() => this.look(box), PERIOD_MS);
    return () => {
      clearInterval(timer);
      this.erase();
      closeSync(this.terminal);
    };
  }

  private look(box: RunningBox): void {
    const {memoryBytes, cpuUs, isStill} = measure(box.groups, box.init, () => undefined);
    const rate = this.rates.look([{id: 'job', cpuUs}]).get('job') ?? null;
    if (!this.isOurs() || (!this.always && this.isUsedIn(box))) {
      // erasing could remove what another process has written there by now
      this.isShown = false;
      return;
    }
    const {memoryLimitBytes} = box;
    const wallUs = monotonicUs() - this.startUs;
    this.write(
      DRAW.before +
        printable(formatProgress({wallUs, rate, memoryBytes, memoryLimitBytes, isPaused: isStill, applications: box.applications()})) +
        DRAW.after,
    );
    this.isShown = true;
  }

  /** Whether the terminal is ours: not while the shim is stopped or in the background (tpgid of proc_pid_stat(5)). */
  private isOurs(): boolean {
    const fields = statFields(this.shimPid);
    if (fields === null || fields[0] === 'T') return false;
    const [group, foreground] = [fields[2], Number(fields[5])];
    return foreground <= 0 || group === fields[5];
  }

  /** Some process has the box's own terminal open, other than as standard input: what it writes comes out here. What cannot be looked at may have. */
  private isUsedIn({init}: RunningBox): boolean {
    const processes = processesIn(init);
    return processes.length > MOST_PROCESSES || processes.some(({pid, state}) => state !== 'Z' && isOpenIn(pid));
  }

  private erase(): void {
    if (this.isShown) this.write(ERASE);
    this.isShown = false;
  }

  private write(text: string): void {
    ifPossible(() => writeSync(this.terminal, text)); // EAGAIN: it is stopped, and a line is missed; EIO: it is gone
  }
}

function isOpenIn(pid: number): boolean {
  const directory = `/proc/${pid}/fd`;
  return unlessGone(() => readdirSync(directory).some((name) => name !== '0' && unlessGone(() => isTerminal(`${directory}/${name}`))));
}

/** Whether a link leads to a terminal, by its name alone: a file on a server that does not answer is not touched. */
const isTerminal = (link: string): boolean => TERMINAL.test(readlinkSync(link));

/** A process that has ended, and a closed descriptor, have nothing open; what may not be looked at is not known. */
function unlessGone(look: () => boolean): boolean {
  try {
    return look();
  } catch (error) {
    return !['ENOENT', 'ESRCH'].includes(errnoOf(error) ?? '');
  }
}
