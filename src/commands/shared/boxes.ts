/** What the commands that look into live boxes have in common. */

import {constants} from 'node:os';
import {Args, Flags} from '@oclif/core';
import {printable} from '../../errors.js';
import {readPolicy} from '../../files/documents.js';
import type {LiveBox} from '../../live/box-view.js';
import {figuresOf} from '../../live/figures.js';
import {findBox, groupsOf, liveBoxes} from '../../live/live.js';
import type {Policy} from '../../policy/policy.js';
import type {JobRow} from '../../report/jobs.js';
import {complain} from './output.js';

/** `--policy`, of every command that looks for live boxes. */
export const policyFlag = {
  policy: Flags.string({description: 'policy file instead of /etc/tare/policy.yaml and /etc/tare/policy.d/', helpValue: 'FILE'}),
};

/** Flags of commands for one live box. */
export const boxFlags = {
  ...policyFlag,
  application: Flags.string({description: 'one application of the box', helpValue: 'NAME'}),
};

/** The argument of commands for one live box. */
export const boxArgs = {
  id: Args.string({description: 'id of a live job, its beginning, or the job’s name', required: true, ignoreStdin: true}),
};

/** The argument of commands for one job, which may have ended. */
export const jobArgs = {id: Args.string({description: 'id of a job, its beginning, or its name', required: true, ignoreStdin: true})};

/** The policy of this node, and the account for which it is read. */
export interface Node {
  policy: Policy;
  uid: number;
}

/** @throws TareError when the policy cannot be read */
export async function openNode(file: string | undefined): Promise<Node> {
  const uid = process.getuid?.() ?? -1;
  return {policy: await readPolicy(file ?? null, uid), uid};
}

/** @throws TareError BOX_UNKNOWN and its like */
export const oneBox = ({policy, uid}: Node, id: string): LiveBox => findBox(policy, uid, id);

/** The live jobs, the youngest first. */
export const liveJobs = ({policy, uid}: Node): JobRow[] => rowsOf(liveBoxes(policy, uid));

/** Live boxes as rows of the table of jobs, the youngest first. */
export function rowsOf(boxes: readonly LiveBox[]): JobRow[] {
  const jobs = boxes.map((box): JobRow => {
    const {standing, ageUs, ...figures} = figuresOf(box);
    const {id, recordId, name, user, hostname, addresses, pattern, cores, memoryLimitBytes, startEpochUs} = box;
    return {
      ...{id, recordId, name, user, hostname, addresses, pattern, cores, memoryLimitBytes, ...figures},
      ...{
        wallUs: ageUs,
        startEpochUs,
        endEpochUs: null,
        state: standing,
        applications: box.applications.map((one) => applicationRow(box, one)),
      },
    };
  });
  return jobs.sort((a, b) => (b.startEpochUs ?? Infinity) - (a.startEpochUs ?? Infinity) || (a.id ?? '').localeCompare(b.id ?? ''));
}

function applicationRow(box: LiveBox, {name, state}: LiveBox['applications'][number]): JobRow['applications'][number] {
  const {cpuUs, memoryBytes, memoryPeakBytes} = groupsOf(box).level(`app-${name}`);
  return {name, state, cpuUs, memoryBytes, memoryPeakBytes};
}

/** Says on a terminal which box this is, where the box has a host name of its own. */
export function introduce({id, hostname, addresses}: LiveBox): void {
  if (hostname === null || !process.stderr.isTTY) return;
  complain(printable(`box ${id}: ${[hostname, ...addresses].join(' ')}`));
}

/** Width and colour of the terminal; elsewhere lines are not wrapped. */
export const terminal = (): {width?: number; colour?: boolean} =>
  process.stdout.isTTY ? {width: process.stdout.columns, colour: process.env['NO_COLOR'] === undefined} : {};

/** `TERM`, `sigterm` and `15` are SIGTERM. */
export const signalFlag = Flags.custom<NodeJS.Signals>({
  helpValue: 'NAME',
  parse: (written) => {
    const upper = written.toUpperCase();
    const known = Object.entries(constants.signals) as [NodeJS.Signals, number][];
    const [name] = known.find(([each, number]) => upper === each || `SIG${upper}` === each || written === String(number)) ?? [];
    if (name === undefined)
      return Promise.reject(new Error(`${JSON.stringify(written)} is no signal; allowed: TERM, KILL, USR1, … or a number`));
    return Promise.resolve(name);
  },
});
