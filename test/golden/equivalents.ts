/** Plans as the texts of other tools, in fixtures/equivalents: some cases, and every tool. */

import {existsSync, readdirSync} from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import type {Surroundings} from '../../src/equivalent/outline.js';
import {renderEquivalent} from '../../src/equivalent/render.js';
import type {ToolName} from '../../src/equivalent/table.js';
import {planCase, type Case} from './cases.js';

const PLACE = fileURLToPath(new URL('../../fixtures/equivalents/', import.meta.url));

/** A user's job and root's, version 1 and 2 of control groups, a view, an image, a small machine. */
export const WRITTEN: readonly (readonly [name: string, tools: readonly ToolName[]])[] = [
  ['el9-v2-condor24.mcsim.builtin', ['docker', 'bwrap']],
  ['debian13-v1root.full.rules', ['lxc', 'libvirt', 'systemd-run']],
  ['debian13-v1root.view.builtin', ['nspawn']],
  ['debian12-hybrid.repositories.image', ['podman', 'apptainer']],
  ['el9-v2-condor24.machine.systemd', ['oci']],
];

/** The same on each node: its usual directories, and nothing in /tmp. */
export const looks: Surroundings['looks'] = (file) => {
  if (/^\/(?:tmp\/|lib32|libx32|mnt|srv)/.test(file)) return null;
  return /^\/(?:dev|var\/tmp)\/|\/etc\/(?:hosts|passwd|group|resolv\.conf)$/.test(file) ? 'file' : 'directory';
};

/** What a case's text depends on beside its plan. */
export const surroundingsOf = ({inputs: {facts, call}}: Case): Surroundings => ({
  caller: facts.caller,
  environment: call.environment,
  looks,
  architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  abilities: Object.fromEntries(facts.engines.map((engine) => [engine.name, engine.abilities])),
});

export const equivalentFiles = (): string[] => (existsSync(PLACE) ? readdirSync(PLACE).map((name) => path.join(PLACE, name)) : []);

/** Texts by their place. */
export function equivalents(cases: readonly Case[]): Map<string, string> {
  return new Map(
    WRITTEN.flatMap(([name, tools]) => {
      const found = cases.find((each) => each.name === name);
      const plan = found === undefined ? {codes: []} : planCase(found);
      if (found === undefined || 'codes' in plan) throw new Error(`${name} is no case with a plan`);
      return tools.map((tool) => [
        path.join(PLACE, `${name}.${tool}.txt`),
        `${short(renderEquivalent(tool, plan, surroundingsOf(found)))}\n`,
      ]);
    }),
  );
}

/** JSON on fewer lines, without the filter, which has goldens of its own. */
function short(text: string): string {
  if (!text.startsWith('{')) return text;
  const value = JSON.parse(text) as {linux: {seccomp?: unknown}};
  if (value.linux.seccomp !== undefined) value.linux.seccomp = '(a filter)';
  return Object.entries(value)
    .flatMap(([key, each]) => [key, ...linesOf(each)])
    .join('\n');
}

const linesOf = (value: unknown): string[] => {
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
  const parts = isMap
    ? Object.entries(value).map(([key, each]) => `${key}: ${JSON.stringify(each)}`)
    : [value].flat().map((each) => JSON.stringify(each));
  return parts.map((part) => `  ${part}`);
};
