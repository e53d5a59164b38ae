/** The wrapper of a box that tasks join: it executes nothing itself, and tells them by the folder of their step what became of it. */

import {processId} from '../process/process.js';
import type {RunRequest, RunResult} from '../prepare/request.js';
import {serve} from './serve.js';
import {readNote, writeNote} from '../step/folder.js';

/**
 * @param descriptor of the socket to the shim
 * @param directory of the step
 */
export async function holdBox(
  descriptor: number,
  directory: string,
  {plugins, engines, version}: Pick<RunRequest, 'plugins' | 'engines' | 'version'>,
): Promise<void> {
  await serve(
    descriptor,
    ({argv, shimPid}) => {
      const shim = processId(shimPid);
      if (shim !== null) writeNote(directory, 'holder', {shim});
      const callerArgvIndex = argv.indexOf('--') + 1;
      return {
        source: {kind: 'command', argv: argv.slice(callerArgvIndex), callerArgvIndex},
        flags: {},
        policyFile: null,
        recordCopy: null,
        verbose: false,
        usesStdout: false,
        stepDirectory: directory,
        role: 'wrapper',
        onlooker: null,
        plugins,
        engines,
        version,
      };
    },
    ({record, messages, quit}: RunResult) => {
      if (readNote(directory, 'box') === null) writeNote(directory, 'box', {refused: {messages, quit}});
      writeNote(directory, 'over', {record});
    },
  );
}
