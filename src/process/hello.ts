/** The front's first frame: who called, and what has happened already. */

import {environmentOf} from './environ.js';
import type {Frame} from './channel.js';

const STATES = ['fresh', 'prepared', 'running', 'ended', 'over'] as const;

export interface Hello {
  /**
   * `fresh`: the first brain, or as good as; `prepared`: one died before it launched anything; else this brain follows one that died: `over`, when
   * all was told, and only what it kept is to be removed.
   */
  state: (typeof STATES)[number];
  /** Folder of the live box, empty when fresh. */
  stateDirectory: string;
  frontPid: number;
  /** CLOCK_MONOTONIC in µs when the front started. */
  startedUs: number;
  umask: number;
  /** 1 for the first brain. */
  brain: number;
  argv: string[];
  cwd: string;
  environment: Record<string, string>;
}

/** @throws Error when the frame is not a hello */
export function parseHello({tag, strings}: Frame): Hello {
  const [word, stateDirectory, frontPid, startedUs, umask, brain, argc, ...rest] = strings;
  const state = STATES.find((one) => one === word);
  if (tag !== 'H' || state === undefined || argc === undefined) throw new Error('no hello from the front');
  const count = Number(argc);
  return {
    state,
    stateDirectory: stateDirectory ?? '',
    frontPid: Number(frontPid),
    startedUs: Number(startedUs),
    umask: Number.parseInt(umask ?? '022', 8),
    brain: Number(brain),
    argv: rest.slice(0, count),
    cwd: rest[count] ?? '/',
    environment: environmentOf(rest.slice(count + 1)),
  };
}
