/** A network of the box's own. What of it is not the policy's and this node's is found by the plan as a whole (src/prepare/saved-plan.ts). */

import type {SomeSteps} from './def.js';

/** Rows of the steps that give a box an address. */
export const NETWORK_STEPS = {
  'network.lease': {
    by: ['node'],
    section: 'Box',
    rows: ({networks}) =>
      networks.map(({ranges, prefix}) => ['address', `${ranges.map(({first, last}) => `${first}-${last}`).join(' ')}/${prefix}`]),
  },
  'network.bridge': {by: ['node'], section: 'Box', rows: ({bridge, addresses}) => [['bridge', [bridge, ...addresses].join(' ')]]},
  'network.veth': {
    by: ['node'],
    section: 'Box',
    rows: ({device, bridge, isolated}) => [['device', `${device}, on ${bridge}${isolated ? ', isolated' : ''}`]],
  },
  'network.macvlan': {
    by: ['node'],
    section: 'Box',
    rows: ({device, mode, parent}) => [['device', `${device}, macvlan (${mode}) on ${parent}`]],
  },
  'network.address': {by: ['node'], section: 'Box', rows: ({device}) => [['address of', device]]},
  'network.nat': {by: ['node'], section: 'Box', rows: () => [['address translation', 'masquerade, table inet tare']]},
  'network.apart': {by: ['node'], section: 'Box', rows: ({bridge}) => [['not passed on', `from ${bridge} to the box`]]},
  'network.user': {by: ['node'], section: 'Box', rows: ({by, addresses}) => [['network', `${by}: ${addresses.join(' ')}`]]},
} satisfies SomeSteps;
