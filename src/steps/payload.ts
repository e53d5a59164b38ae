/** What is executed, and what it finds in its environment. */

import {FEATURES} from '../plan/features.js';
import type {SomeSteps} from './def.js';

/** Rows of the steps for what is executed, and its environment. */
export const PAYLOAD_STEPS = {
  'environment.set': {by: ['init'], section: 'Environment', rows: ({name, value}) => [[name, value]]},
  'environment.unset': {by: ['init'], section: 'Environment', rows: ({name}) => [[name, '(taken away)']]},
  'features.provide': {
    // the supervisor writes the files, init names their place to the payload
    by: ['node', 'init'],
    section: 'Environment',
    rows: ({place, machine}) => [[machine === null ? 'JOBFEATURES' : 'JOBFEATURES, MACHINEFEATURES', `below ${place}`]],
    undo: (_, {place}) => [{op: 'own.remove', path: place(FEATURES)}],
  },
  'parts.collect': {by: ['shim', 'watch'], section: 'Box', rows: ({path}) => [['named pipe', path]]},
  'payload.execute': {
    by: ['init'],
    section: null,
    check: ({tasks}) =>
      tasks === undefined
        ? null
        : {
            message: 'it waits for tasks of a batch system that would never join',
            found: String(tasks),
            allowed: 'a payload that is executed',
          },
  },
  'application.execute': {by: ['init'], section: null},
} satisfies SomeSteps;
