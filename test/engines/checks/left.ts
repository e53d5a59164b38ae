/** Nothing is left of a box on the node. Each check looks for processes, groups and folders afterwards; this one for all that a node counts. */

import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {groups, processes, until} from '../../support/tare.js';
import type {Bench} from '../bench.js';
import type {Check} from '../check.js';

const names = (directory: string): string[] => readdirSync(directory, {recursive: true, encoding: 'utf8'}).sort();

/** What a node counts of this site. */
const counted = ({site: {directory}}: Bench): object => ({
  mounts: readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(directory)),
  state: names(join(directory, 'state')).filter((name) => name.startsWith('boxes/')),
  scratch: names(join(directory, 'scratch')),
});
/** Where a box, or what stands beside it, may have put something of its own. */
const PLACES = ['/tmp', '/var/tmp', '/run', '/dev/shm'];

export const LEFT: readonly Check[] = [
  {
    name: 'nothing is left',
    promise: 'After a job there are no processes, control groups, mounts, sockets and folders of it.',
    sample: true,
    body: async (bench) => {
      const before = counted(bench);
      const {record} = await bench.run({
        script: `mkdir -p /tmp/a; sleep 600 & ${bench.payload('touch-memory')} 8`,
        limits: {memory: '400MiB', processes: 60, wallTime: '5m'},
      });
      const [, id = ''] = record.lrms.globalJobId.split('#');
      expect(id).to.match(/^[0-9a-f]{16}$/);
      expect(groups().filter((path) => path.includes(id))).to.deep.equal([]);
      await until('no process that names the box', () => processes().every(({argv}) => !argv.some((one) => one.includes(id))), 2);
      expect(PLACES.flatMap((place) => readdirSync(place).filter((name) => name.includes(id)))).to.deep.equal([]);
      expect(counted(bench)).to.deep.equal(before);
    },
  },
];
