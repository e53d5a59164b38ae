/** What several tools write in the same way. */

import type {LimitName} from '../job/job.js';
import type {Note} from './answers.js';
import type {Mounts} from './mounts.js';
import {seconds, type Outline} from './outline.js';
import type {Program, Variable} from './programs.js';
import {oneLine, shellWords} from './quote.js';

/** nice(1) and timeout(1), before the command, in the box. */
export function innerWords({limits: {nice, wallTime}, graceUs}: Outline): string[] {
  return [
    ...(nice === null ? [] : ['nice', '-n', String(nice)]),
    ...(wallTime === null ? [] : ['timeout', '-k', seconds(graceUs), seconds(wallTime)]),
  ];
}

/** prlimit(1) for limits that a tool has no words for; nothing where there are none. */
export function prlimitWords({rlimits}: Outline): string[] {
  return rlimits.length === 0 ? [] : ['prlimit', ...rlimits.map(({name, soft, hard}) => `--${name}=${String(soft)}:${String(hard)}`)];
}

/** setpriv(1) for a tool that is to be started as the job's account. */
export function accountWords({changesAccount, account: {uid, gid, groups}}: Outline): string[] {
  if (!changesAccount) return [];
  const others = groups.length === 0 ? ['--clear-groups'] : [`--groups=${groups.join(',')}`];
  return ['setpriv', `--reuid=${String(uid)}`, `--regid=${String(gid)}`, ...others, '--'];
}

/** A number of the job's, or of an application's own. */
export function limitOf(outline: Outline, program: Program, name: LimitName): number | null {
  const own = name === 'cores' ? program.cores : name === 'memory' ? program.memory : null;
  return own ?? outline.limits[name];
}

/** Changes of a program's environment against the caller's. */
export const changesOf = ({changes}: Outline, program: Program): readonly Variable[] => [
  ...changes.filter(({name}) => !program.changes.some((own) => own.name === name)),
  ...program.changes,
];

/** Names of variables that the caller has, and the program keeps as they are. */
export const keptNames = (outline: Outline, program: Program): string[] => {
  const changed = changesOf(outline, program).map(({name}) => name);
  return outline.kept.map(({name}) => name).filter((name) => !changed.includes(name));
};

/** Microseconds of CPU time in each period of 100 ms; the kernel takes no less than 1 ms. */
export const quotaUs = (cores: number): number => Math.max(1000, Math.round(cores * PERIOD_US));
/** The period of a quota, in microseconds: the kernel's own. */
export const PERIOD_US = 100_000;

/** Remarks on programs of a job with several, as comments. */
export const programComment = ({name, remarks}: Program): string[] =>
  name === null ? [] : [`# ${oneLine([name, ...remarks].join(': '))}`];

/** File systems in memory that were to be read-only, with something else mounted in them. */
export const stayWritable = ({list}: Mounts): Note[] =>
  list.flatMap((mount) =>
    mount.kind === 'tmpfs' && mount.readOnly && mount.holds
      ? [{about: 'mount.readonly', text: `${mount.destination} stays writable, since something is mounted in it.`}]
      : [],
  );

/** What an image has to have, for tools that make nothing in it to mount upon. */
export const pointsNeeded = ({points}: Mounts): Note[] =>
  points.length === 0
    ? []
    : [{about: 'mount.point', text: `the image has to have these, since something is mounted there: ${points.join(', ')}`}];

/** A command that a shell looks for, for tools that take an absolute path only. */
export const throughShell = (argv: readonly string[]): string[] => ['/bin/sh', '-c', 'exec "$0" "$@"', ...argv];

/** Programs that a text with one command leaves out. */
export const otherPrograms = ({programs}: Outline): Note[] => programs.slice(1).map(leftOut);

const leftOut = ({name, argv, workDirectory, remarks}: Program): Note => ({
  about: 'application.execute',
  text: `${[name ?? '-', ...remarks].join('; ')}: not started: cd ${shellWords([workDirectory])} && ${shellWords(argv)}`,
});

/** What is said of every plan with every tool, because the plan or the caller has it so. */
export function commonNotes({mode, mounts, programs, services, root, tasks}: Outline): Note[] {
  const notes: Note[] = services.map(leftOut);
  if (tasks !== null)
    notes.push({
      about: 'payload.execute',
      text: `the box is made for ${String(tasks)} tasks of the batch system, each with its own command; the text has one command.`,
    });
  if (mode === 'limits-only')
    notes.push({about: 'mode', text: 'Tare makes no box here, but limits only; the tool adds isolation of its own.'});
  if (mode === 'observe')
    notes.push({about: 'mode', text: 'Tare only observes this job; the text has no limits, and the tool adds isolation of its own.'});
  if (mounts.ofTare.length > 0)
    notes.push({about: 'mount.bind', text: `files that Tare makes for the box are not there: ${mounts.ofTare.join(', ')}`});
  if (mounts.absent.length > 0)
    notes.push({about: 'mount.bind', text: `not on the node now, and so not bound: ${mounts.absent.join(', ')}`});
  if (mounts.uncovered.length > 0)
    notes.push({about: 'mount.tmpfs', text: `not on the node now, and so not covered: ${mounts.uncovered.join(', ')}`});
  if (root.kind === 'image' && root.tree === null && root.format !== 'squashfs')
    notes.push({
      about: 'image.take',
      text: `${root.path} is not unpacked, and its digest is not known: \`tare plan --probe\` looks at it.`,
    });
  if (programs.some(({argv}) => argv.some((word) => word.includes('\ufffd'))))
    notes.push({
      about: 'payload.execute',
      text: 'an argument holds bytes that are no UTF-8 (shown as U+FFFD): Tare passes on the caller’s own bytes, this text cannot.',
    });
  return notes;
}
