/** Parts of one policy that cannot both be meant. Found when it is loaded, not by the first job that meets them. */

import {TareError} from '../errors.js';
import {LIMIT_NAMES} from '../job/job.js';
import {formatLimit} from '../job/limits.js';
import {formatBytes} from '../job/quantity.js';
import {show} from '../job/show.js';
import {covers} from './match.js';
import type {Policy, Rule, Ruled} from './policy.js';
import {applySetting} from './ruled.js';

type Check = (policy: Policy) => TareError | TareError[] | null;

const CHECKS: readonly Check[] = [
  (policy) => aboveMaximum(policy),
  (policy) => noPattern(policy),
  (policy) => noSuchLimit(policy.enforcement),
  reserveAboveMaximum,
  rootUnwanted,
  withoutPool,
  oneDeviceTwoWays,
  sameName,
  neverReached,
  ({exporters}) => auditorAndWhere(exporters['auditor']),
  twiceToApel,
  nodeOfOneAccount,
  oneJobsLogs,
  unboxedAndRefused,
  (policy) => policy.rules.flatMap((rule) => refusesAndSets(rule) ?? []),
  (policy) => policy.rules.flatMap((rule) => inRule(policy, rule)),
];

/** Errors of a policy whose parts cannot all hold, POLICY_CONTRADICTION; empty: none. */
export const contradictions = (policy: Policy): TareError[] => CHECKS.flatMap((check) => check(policy) ?? []);

function contradiction(where: string, message: string, found: string | undefined, allowed: string, remedy?: string): TareError {
  return new TareError('POLICY_CONTRADICTION', {message, where, found, allowed, remedy});
}

function nodeOfOneAccount({directories: {node}}: Policy): TareError | null {
  if (node?.value.includes('%u') !== true) return null;
  return contradiction(node.provenance.at, 'the node has one place for what all accounts report', show(node.value), 'a path without %u');
}

/** The output of a job would be removed as soon as it was kept. */
function oneJobsLogs({logs: {maxBytes, totalBytes}}: Policy): TareError | null {
  if (maxBytes <= totalBytes) return null;
  const found = `maxSize ${formatBytes(maxBytes)}, totalSize ${formatBytes(totalBytes)}`;
  return contradiction('logs', 'more is kept of one job than of all jobs together', found, 'maxSize of at most totalSize');
}

/** Jobs of a node that fails would be run unboxed by the one, and refused for it by the other. */
function unboxedAndRefused({batch: {blackHole}, degraded}: Policy): TareError | null {
  if (blackHole?.then !== 'unboxed' || degraded.value !== 'refuse') return null;
  return contradiction(
    degraded.provenance.at,
    `jobs without a box are refused, and batch.blackHole wants them (${blackHole.provenance.at})`,
    'refuse',
    'alarm or allow; or batch.blackHole with then: drain',
  );
}

function twiceToApel({exporters}: Policy): TareError | null {
  if (exporters['apel'] === undefined || exporters['car'] === undefined) return null;
  return contradiction('exporters', 'the same jobs would go to APEL twice', 'apel and car', 'one of them');
}

function auditorAndWhere(auditor: Record<string, unknown> | undefined): TareError | null {
  if (auditor === undefined) return null;
  const at = 'exporters/auditor';
  const has = (name: string): boolean => auditor[name] !== undefined;
  if (has('url') === has('directory'))
    return contradiction(at, 'records go either to a server or to files', has('url') ? 'both' : 'neither', 'url or directory');
  if (has('certificate') !== has('key'))
    return contradiction(at, 'a certificate is of no use without its key', has('key') ? 'key' : 'certificate', 'both or neither');
  if (has('key') && !String(auditor['url']).startsWith('https:'))
    return contradiction(at, 'a certificate is shown over https only', show(auditor['url']), 'an https URL');
  return null;
}

function aboveMaximum({defaults, maxima}: Pick<Ruled, 'defaults' | 'maxima'>): TareError[] {
  return LIMIT_NAMES.flatMap((name) => {
    const [value, maximum] = [defaults[name], maxima[name]];
    // A maximum of pinCores forces pinning; it does not forbid it.
    if (name === 'pinCores' || value === undefined || maximum === undefined || value.value <= maximum.value) return [];
    return contradiction(
      value.provenance.at,
      `the default of ${name} is above its maximum`,
      formatLimit(name, value.value),
      `at most ${formatLimit(name, maximum.value)} (${maximum.provenance.at})`,
    );
  });
}

function noPattern({patterns}: Pick<Ruled, 'patterns'>): TareError | null {
  if (patterns.value.length > 0) return null;
  return contradiction(
    patterns.provenance.at,
    'no pattern is left for a job to use',
    '[]',
    'one pattern or more',
    'a rule with refuse refuses jobs with a reason',
  );
}

/** No node could run a job that has such a limit. */
function noSuchLimit(enforcement: Partial<Ruled['enforcement']>): TareError[] {
  return (
    [
      ['wallTime', 'wall time'],
      ['cpuTime', 'the CPU time of a process tree'],
    ] as const
  ).flatMap(([name, words]) => {
    const level = enforcement[name];
    if (level?.value !== 'kernel') return [];
    return contradiction(
      level.provenance.at,
      `no kernel has a limit on ${words}: every job with such a limit would be refused`,
      'kernel',
      'watched, none',
    );
  });
}

function reserveAboveMaximum({reserveBytes, maxima: {memory}}: Policy): TareError | null {
  // The built-in reserve is ours to get right, and small maxima are not the site's mistake.
  if (memory === undefined || reserveBytes.provenance.source === 'builtin' || reserveBytes.value <= memory.value) return null;
  return contradiction(
    reserveBytes.provenance.at,
    'the reserve is above the most memory that a job may have',
    formatBytes(reserveBytes.value),
    `at most ${formatBytes(memory.value)} (${memory.provenance.at})`,
  );
}

function rootUnwanted({identity: {user, allowRoot}}: Policy): TareError | null {
  if (allowRoot.value || !['root', '0'].includes(user.value)) return null;
  return contradiction(
    user.provenance.at,
    'payloads would run as root, which is not allowed',
    user.value,
    'another account, or allowRoot: true',
  );
}

function withoutPool({identity: {address, pools}}: Policy): TareError[] {
  return address.value.flatMap((kind) =>
    (kind !== 'bridge' && kind !== 'macvlan') || pools.some((pool) => pool.kind === kind)
      ? []
      : contradiction(
          address.provenance.at,
          `addresses of kind ${kind} are allowed, and there is no pool of them`,
          kind,
          `a pool of kind ${kind} in identity.pools`,
        ),
  );
}

/** Pools may share a bridge; whose it is, and whether boxes on it reach each other, is the same for both. */
function oneDeviceTwoWays({identity: {pools}}: Policy): TareError[] {
  return pools.flatMap((pool, index) => {
    const other = pools.slice(0, index).find(({device}) => device === pool.device);
    if (other === undefined || (other.kind === pool.kind && other.make === pool.make && other.reach === pool.reach)) return [];
    return contradiction(
      pool.at,
      `two pools want ${pool.device} in different ways`,
      `${pool.name} and ${other.name}`,
      'the same kind, make and reach for both',
    );
  });
}

function sameName({rules}: Policy): TareError[] {
  return rules.flatMap((rule, index) => {
    const first = rules.slice(0, index).find(({name}) => name === rule.name);
    return first === undefined
      ? []
      : contradiction(rule.at, 'two rules have the same name', show(rule.name), `another name than that of ${first.at}`);
  });
}

function neverReached({rules}: Policy): TareError[] {
  return rules.flatMap((rule, index) => {
    const first = rules.slice(0, index).find(({match}) => covers(match, rule.match));
    if (first === undefined) return [];
    return contradiction(
      rule.at,
      `the rule "${rule.name}" can never count: an earlier one matches all its jobs`,
      undefined,
      `jobs that "${first.name}" (${first.at}) does not match`,
      'put the narrower rule first',
    );
  });
}

function refusesAndSets({refuse, set, at}: Rule): TareError | null {
  const [extra] = Object.keys(set);
  if (refuse === null || extra === undefined) return null;
  return contradiction(at, 'a rule that refuses its jobs also sets values for them', Object.keys(set).join(', '), 'refuse alone');
}

/** What is sound in the policy and in the rule may be contradictory when the one lies over the other. */
function inRule(policy: Policy, rule: Rule): TareError[] {
  const applied = applySetting(policy, rule.set);
  const found = [
    // Only the rule's own defaults: that a rule lowers a maximum below the policy's default is what it is for.
    ...aboveMaximum({defaults: rule.set.defaults ?? {}, maxima: applied.maxima}),
    ...(rule.set.patterns === undefined ? [] : [noPattern(applied)]),
    ...noSuchLimit(rule.set.enforcement ?? {}),
  ].filter((error) => error !== null);
  const errors = found.map(
    ({code, details}) => new TareError(code, {...details, message: `${details.message}, for jobs of the rule "${rule.name}"`}),
  );
  const {patterns} = applied;
  if (rule.refuse === null && rule.match.pattern !== null && !rule.match.pattern.some((pattern) => patterns.value.includes(pattern))) {
    errors.push(
      contradiction(
        `${rule.at}/match/pattern`,
        'the rule is for patterns that are not allowed',
        rule.match.pattern.join(', '),
        `one of ${patterns.value.join(', ')} (${patterns.provenance.at})`,
      ),
    );
  }
  return errors;
}
