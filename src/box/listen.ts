/** What wrappers in the box tell (around.ts), heard by the box around. */

import {closeSync, constants, readSync} from 'node:fs';
import {ifPossible} from '../errors.js';
import {inBox, stepOf} from '../plan/step.js';
import {LINE_BYTES, NO_PARTS, readPart, withPart, type RecordChildren} from '../record/parts.js';
import {openPipe} from './outer-box.js';
import {scratchDirectory, type BoxState} from './state.js';

/** Soon after something was heard, then ever more seldom, ms. */
const LOOK_MS = {least: 100, most: 3000};
/** Most bytes that one look reads: the default size of a pipe. The next look reads the rest, so a payload that writes for ever costs the wrapper little. */
const LOOK_BYTES = 64 * 1024;
/** Most bytes of the last look, when no writer is left: as much as an account other than root can make a pipe hold (pipe-max-size of proc_sys_fs(5)). */
const LAST_BYTES = 1024 * 1024;

/** Reads what wrappers in the box tell of themselves, until it is ended. */
export interface Listener {
  /** The last look: whatever wrote is gone. */
  end: () => void;
}

/** Hears what wrappers in the box tell, for `state.parts`; the shim keeps the pipe, whichever supervisor reads it. */
export function listen(state: BoxState, heard: (parts: RecordChildren) => void): Listener {
  const {plan, id} = state;
  const step = stepOf(plan, 'parts.collect');
  if (step === undefined) return {end: () => undefined};
  const path = inBox(step.path, scratchDirectory(plan, id));
  let pipe: number | null = null;
  let timer: NodeJS.Timeout;
  let rest = '';

  const look = (most: number): boolean => {
    try {
      pipe ??= openPipe(path, constants.O_RDONLY);
    } catch {
      return false; // not made yet, or gone with the box
    }
    const [bytes, lines] = readLines(pipe, rest, most);
    rest = lines.pop() ?? '';
    if (rest.length > LINE_BYTES) rest = ''; // nobody's line: no wrapper writes one in pieces
    const before = state.parts ?? NO_PARTS;
    const parts = lines.reduce(heardLine, before);
    // that no wrapper has reported is known, too
    if (parts !== state.parts) heard(parts);
    return bytes > 0;
  };
  const lookIn = (ms: number): void => {
    timer = setTimeout(() => lookIn(look(LOOK_BYTES) ? LOOK_MS.least : Math.min(2 * ms, LOOK_MS.most)), ms).unref();
  };
  lookIn(LOOK_MS.least);
  return {
    end: () => {
      clearTimeout(timer);
      look(LAST_BYTES);
      if (pipe !== null) closeSync(pipe);
    },
  };
}

function heardLine(parts: RecordChildren, line: string): RecordChildren {
  const part = readPart(line);
  return part === null ? parts : withPart(parts, part);
}

/** @returns the number of bytes that were there, and lines; the last one is not ended */
function readLines(pipe: number, rest: string, most: number): [bytes: number, lines: string[]] {
  const chunk = Buffer.alloc(LOOK_BYTES);
  const chunks = [Buffer.from(rest, 'latin1')];
  let bytes = 0;
  ifPossible(() => {
    for (let read = 1; read > 0 && bytes < most; bytes += read) {
      read = readSync(pipe, chunk);
      chunks.push(Buffer.from(chunk.subarray(0, read)));
    }
  }); // there is no more
  const whole = Buffer.concat(chunks);
  // cut before it is decoded: a character may be in two reads
  const end = whole.lastIndexOf(0x0a) + 1;
  return [bytes, [...whole.subarray(0, end).toString('utf8').split('\n').slice(0, -1), whole.subarray(end).toString('latin1')]];
}
