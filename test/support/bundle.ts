/** Bundles of small machines as they are made, for a check against the specification. */

import {architecturesOf} from '../../src/engine/bpf.js';
import {ociConfig} from '../../src/engine/oci.js';
import type {Facts, OciFacts} from '../../src/host/facts.js';
import {facts, no, plan, yes} from '../unit/plan/build.js';

/** Each with what it is of. */
export function bundleForTest(): [about: string, config: Record<string, unknown>][] {
  return (['crun', 'runc'] as const).flatMap((name) =>
    [0, 1001].flatMap((uid) =>
      (['busybox', 'tare'] as const).map((init): [string, Record<string, unknown>] => {
        const made = plan({
          job: {image: '/i', network: 'none', init, services: init === 'tare' ? [{name: 'web', command: ['x']}] : ['web']},
          policy: {images: ['/i']},
          facts: factsFor(name, uid),
        });
        const context = {boxDirectory: '/b', id: 'ab', architectures: architecturesOf('x64'), exists: () => true};
        return [`${name}, uid ${String(uid)}, ${init}`, JSON.parse(JSON.stringify(ociConfig(made, context))) as Record<string, unknown>];
      }),
    ),
  );
}

function factsFor(name: NonNullable<OciFacts['name']>, uid: number): Partial<Facts> {
  const range = {start: 100_000, count: 65_536};
  return {
    system: {
      oci: {path: `/usr/bin/${name}`, name, version: '1.21', how: 'a test'},
      subordinate: {uids: range, gids: range, how: 'a test', remedy: null},
      unifiedAt: null,
      init: null,
    },
    views: {user: uid !== 0, overlay: yes, options: [], fuse: no, mounts: [], writable: []},
    caller: {...facts().caller, ...(uid === 0 ? {uid, gid: 0, groups: [0]} : {})},
  };
}
