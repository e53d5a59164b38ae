/** Connects a box to its network, from outside: devices, addresses and rules, or the program of a user-mode network. */

import {connectCommands} from '../network/commands.js';
import {stepOf} from '../plan/step.js';
import type {ProcessId} from '../process/process.js';
import {runCommand} from './network-command.js';
import {startUserNetwork, type Connecting} from './network-user.js';

/**
 * Between a box that is ready and its payload's go. What a supervisor before this one had begun is begun anew.
 * @returns the program that stands for the network, null where there is none, and with it the addresses that it gave
 * @throws TareError NETWORK_FAILED
 */
export async function connect(connecting: Connecting): Promise<{helper: ProcessId; addresses: string[]} | null> {
  const {plan, id, connection, initPid} = connecting;
  for (const command of connectCommands(plan.steps, id, initPid, connection.addresses)) runCommand(command);
  const user = stepOf(plan, 'network.user');
  return user === undefined ? null : startUserNetwork(user, connecting);
}
