/** What a probe of a node found, for people. */

import {printable} from '../errors.js';
import type {HealthResult} from '../schema/generated/health-1.js';

/** First whether it should get jobs; then what is not as it should be; then each box that was tried. */
export function renderHealth({healthy, reason, failures, checks, probes, degraded}: HealthResult): string {
  const lines = [`${healthy ? 'healthy' : 'NOT HEALTHY: no jobs should start here'}${reason === null ? '' : `: ${reason}`}`];
  for (const {name, state, because} of checks)
    if (state !== 'ok') lines.push(`  ${state.padEnd(8)} ${name}${because === null ? '' : `: ${because}`}`);
  for (const probe of probes) lines.push(`  ${renderTried(probe)}`);
  if (probes.length === 0) lines.push('  no box was tried yet');
  if (failures !== null && failures > 0) lines.push(`  ${String(failures)} failures of the wrapper were reported by jobs`);
  const less = Object.entries(degraded).map(([code, count]) => `${code} ${String(count)}`);
  if (less.length > 0) lines.push(`  jobs of the last day that ran with less: ${less.join(', ')}`);
  return lines.map(printable).join('\n');
}

type Tried = Pick<HealthResult['probes'][number], 'uid' | 'user' | 'healthy' | 'got' | 'wanted' | 'because' | 'tookUs'>;

/** One box that was tried. */
export function renderTried({uid, user, healthy, got, wanted, because, tookUs}: Tried): string {
  const whose = `a box as ${user ?? 'an account without a name'} (uid ${String(uid)})`;
  const how = healthy === null ? 'did not answer' : healthy ? 'works' : 'FAILED';
  const what =
    got === null ? '' : `, ${boxOf(got)}${wanted === null || wanted.mode === got.mode ? '' : `, wanted ${wanted.mode ?? 'none'}`}`;
  return `${whose}: ${how} (${String(Math.round(tookUs / 1000))} ms)${what}${because === null ? '' : `: ${because}`}`;
}

function boxOf({mode, limits}: NonNullable<Tried['got']>): string {
  const enforced = Object.entries(limits).map(([name, level]) => `${name} ${level}`);
  return `${mode ?? 'no box'}${enforced.length === 0 ? '' : ` with ${enforced.join(', ')}`}`;
}
