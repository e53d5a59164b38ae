/** What an engine is told of a plan, without a node. */

import type {EngineFacts, EngineHost, EngineLaunch} from '@tare/contract';
import {abilitiesOf} from '../../src/host/engine.js';
import {taskOf, translate, type TaskContext} from '../../src/engine/task.js';
import type {Plan} from '../../src/schema/generated/plan-1.js';
import {ENGINES} from '../../src/plugins.js';

/** Its /home is followed: an automounter is at work there. */
export const HOST: EngineHost = {
  memoryBytes: 64 * 2 ** 30,
  hostname: 'node1',
  top: {
    directories: ['/dev', '/etc', '/home', '/proc', '/run', '/srv', '/sys', '/tmp', '/usr', '/var'],
    links: {'/bin': 'usr/bin', '/lib': '/usr/lib', '/vmlinuz': 'boot/vmlinuz-6.1'},
  },
  hasNames: (path) => path !== '/etc/hostname',
  follows: (path) => path === '/home',
};

/** By the engine that the plan names. */
export function launchOf(
  plan: Plan,
  context: Partial<Omit<TaskContext, 'facts'>> & Partial<Pick<EngineFacts, 'abilities' | 'parts'>> = {},
): EngineLaunch {
  const {name, path, version} = plan.engine;
  const engine = ENGINES.find((one) => one.name === name);
  if (engine === undefined) throw new Error(`no engine ${name}`);
  const {abilities = abilitiesOf(engine.program, version, false), parts, ...more} = context;
  const facts: EngineFacts = {name, path, version, setuid: false, abilities, ...(parts === undefined ? {} : {parts}), how: 'a test'};
  const node = {exists: () => true, isFile: () => false, node: HOST};
  const call = {id: 'ab', boxDirectory: '/b', caller: {uid: 1001, gid: 100}, architectures: ['SCMP_ARCH_X86_64']};
  const common = {kind: engine.kind, ...call, ...node};
  return translate(engine, taskOf(plan, {...common, ...more, facts}));
}

/** Of a plan for bubblewrap. */
export const bubblewrapArgv = (plan: Plan, boxDirectory: string, abilities: readonly string[]): readonly string[] =>
  launchOf(plan, {boxDirectory, abilities}).argv;

/** The configuration of a plan for an OCI runtime. */
export const ociConfig = (plan: Plan, context: Parameters<typeof launchOf>[1] = {}): unknown =>
  JSON.parse(launchOf(plan, context).files[0]?.text ?? 'null');
