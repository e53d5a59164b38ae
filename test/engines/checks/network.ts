/** The node's network, or none; and repositories of CVMFS. */

import {once} from 'node:events';
import {existsSync} from 'node:fs';
import {createServer, type Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import {expect} from 'chai';
import {hasSquashfuse, Repositories} from '../../support/cvmfs.js';
import {SHARED_MOUNTS} from '../../support/libvirtd.js';
import {BUSYBOX} from '../../support/machine.js';
import {isRoot} from '../../support/tare.js';
import type {Bench} from '../bench.js';
import {has, type Check} from '../check.js';

const NAME = 'sim.example.org';
const OTHER = 'other.example.org';

/** What a payload gets of a service that listens on the node's loopback interface: its answer, or `none`. */
async function answer(bench: Bench, network: 'host' | 'none'): Promise<string> {
  has(existsSync(BUSYBOX), 'busybox-static is not installed');
  const server: Server = createServer((_, response) => response.end('of the node'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/`;
    const script = `${bench.busybox} wget -q -T 5 -O - ${url} 2>/dev/null || echo none; grep -c : /proc/net/dev`;
    return (await bench.run({script, network})).stdout;
  } finally {
    server.close();
  }
}

export const NETWORK: readonly Check[] = [
  {
    name: 'network of the node',
    promise: 'With the node’s network a service that listens on its loopback interface answers.',
    body: async (bench) => {
      expect(await answer(bench, 'host')).to.match(/^of the node\d+\n$/);
    },
  },
  {
    name: 'no network',
    promise: 'Without a network there is the loopback interface only, and no service of the node answers.',
    body: async (bench) => {
      expect(await answer(bench, 'none')).to.equal('none\n1\n');
    },
  },
  {
    name: 'CVMFS',
    promise: 'A repository that the job names is in the box, read-only, and no other; programs run from it.',
    body: async (bench) => {
      has(isRoot, 'only root can serve a repository to others');
      has(hasSquashfuse(), 'squashfuse is not installed');
      const cvmfs = new Repositories(bench.engine.name === 'libvirt' && existsSync(SHARED_MOUNTS) ? SHARED_MOUNTS : undefined);
      try {
        for (const name of [NAME, OTHER]) await cvmfs.squashfuse(name);
        const script = `cat ${cvmfs.path(NAME)}/data/numbers | wc -l; ls ${cvmfs.root}; (: >${cvmfs.path(NAME)}/x) 2>/dev/null || echo refused`;
        const policy = {cvmfs: {root: cvmfs.root, deadline: '10s', shareFor: '0s'}};
        const {stdout, said, record} = await bench.run({script, cvmfs: [NAME], policy});
        expect(stdout.trim().split('\n').slice(1), said).to.deep.equal([NAME, 'refused']);
        expect(Number(stdout.split('\n')[0])).to.be.above(0);
        expect(record.cvmfs.map(({repository, state, stateAtEnd}) => [repository, state, stateAtEnd])).to.deep.equal([[NAME, 'ok', 'ok']]);
      } finally {
        await cvmfs.remove();
      }
    },
  },
];
