/** Engines that have a daemon, for which a test starts it. */

import {docker} from './dockerd.js';
import {libvirt} from './libvirtd.js';
import {isRoot} from './tare.js';

const DAEMONS = {docker, libvirt};

/** Has the daemon there that an engine needs, for the tests of a suite. */
export function withDaemon(engine: string): void {
  const daemon = Object.entries(DAEMONS).find(([name]) => name === engine)?.[1];
  if (daemon === undefined) return;
  before(async function () {
    this.timeout(120_000);
    if (isRoot) await daemon.begin();
  });
  after(async function () {
    this.timeout(120_000);
    if (isRoot) await daemon.end();
  });
}
