/** Steps that are no engine's: the brain, enter, init and the watches do them. */

import type {Step, StepOf} from '../plan/step.js';

const OTHERS = [
  'cgroup.evacuate',
  'cgroup.enable',
  'cgroup.create',
  'cgroup.write',
  'directory.create',
  'features.provide',
  'parts.collect',
  'identity.take',
  'affinity.set',
  'oom.adjust',
  'rlimit.set',
  'environment.set',
  'environment.unset',
  'payload.execute',
  'application.execute',
  'watch.memory',
  'watch.oom',
  'watch.memoryStall',
  'watch.wallTime',
  'watch.cpuTime',
  'watch.processes',
  'weigh.processes',
  'watch.scratch',
  'view.unshare',
  'view.enter',
  'scratch.contain',
  'image.take',
  'mount.squashfs',
  'mount.point',
  'mount.overlay',
  'mount.graft',
  'mount.cover',
  'identity.provide',
  'network.lease',
  'network.bridge',
  'network.veth',
  'network.macvlan',
  'network.address',
  'network.nat',
  'network.apart',
  'network.user',
  'cvmfs.probe',
  'cvmfs.hold',
  'cvmfs.mount',
] as const satisfies Step['op'][];

type OthersStep = StepOf<(typeof OTHERS)[number]>;

export const isDoneByOthers = (step: Step): step is OthersStep => (OTHERS as readonly string[]).includes(step.op);
