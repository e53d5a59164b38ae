import type {OomVerdict} from '../record/outcome.js';
import type {GroupEvents, MemoryEvents} from './groups.js';
import type {LoggedKill} from './kernel-log.js';
import {readAgain} from './memory-events.js';

/**
 * Whose limit killed, from two looks at the event counters. Peaks never say *that* something was killed.
 *
 * v2 counts `oom` in the group whose limit it was, so one side alone is proof, and neither is the node.
 * v1 has only failcnt, which page cache raises too: a hit limit that could be met by dropping page cache looks the same.
 * So on v1 the kernel's log, where it can be read, has the last word. Seen on v1, Linux 6.18:
 * - the leaf's limit: failcnt of the leaf rises by ~100, oom_kill of the leaf by 1; a slot's limit: the slot's failcnt, the leaf's oom_kill;
 * - page cache alone: the leaf's failcnt rises by hundreds, oom_kill stays;
 * - the slot full of another's page cache, then the leaf's limit: both failcnts rise (leaf 84, slot 1741);
 * - memsw limit equal to the memory limit: no failcnt at all rises; one page more and failcnt counts again.
 */
export function verdict(before: MemoryEvents, after: MemoryEvents, log: () => readonly LoggedKill[]): OomVerdict | null {
  const earlier = new Map(before.groups.map((group) => [group.directory, group]));
  const rise = (group: GroupEvents, key: 'oomKills' | 'oomLocal' | 'oom' | 'limitHits'): number =>
    Math.max(0, (group[key] ?? 0) - (earlier.get(group.directory)?.[key] ?? 0));

  const own = after.groups.filter((group) => group.level !== 'ancestor');
  const ancestors = after.groups.filter((group) => group.level === 'ancestor');
  const kills = own.filter((group) => group.level !== 'box').reduce((sum, group) => sum + rise(group, 'oomKills'), 0);
  if (kills === 0) return null;

  const hits = after.version === 2 ? hitsV2(own, ancestors, rise) : hitsV1(own, ancestors, rise);
  const counted = classify(hits, after.version, kills);
  if (counted.certain) return counted;
  const logged = log().at(-1);
  if (logged === undefined) return counted;
  return {whose: logged.whose, evidence: `${counted.evidence}; kernel log: ${logged.line}`, certain: true};
}

/**
 * The verdict where the box has no group for memory: its processes are then in the caller's group, whose counters count others too. So only a
 * kill there together with a limit that was hit is a verdict, and never a certain one; the caller knows that the payload was killed.
 * @param before groups around the payload, the caller's own first
 */
export function verdictAround(before: MemoryEvents, now: (group: GroupEvents) => GroupEvents | null = readAgain): OomVerdict | null {
  const {version, groups} = before;
  const [own] = groups;
  if (version === null || own === undefined || groups.some(({level}) => level !== 'ancestor')) return null;
  const later = new Map(groups.map((group) => [group.directory, now(group)]));
  const rise: Rise = (group, key) => Math.max(0, (later.get(group.directory)?.[key] ?? 0) - (group[key] ?? 0));
  const kills = rise(own, 'oomKills');
  if (kills === 0) return null;
  const reached = groups.map((group) => ({
    ...group,
    memswReached: later.get(group.directory)?.memswReached === true && !group.memswReached,
  }));
  const hits = version === 2 ? hitsV2([], groups, rise) : hitsV1([], reached, rise);
  if (hits.ancestors.length === 0) return null;
  return {whose: 'slot', evidence: [`oom_kill +${kills} in ${own.directory}`, ...hits.ancestors].join(', '), certain: false};
}

/** The verdict of the kernel in a virtual machine: its memory is the payload's alone, and what it killed was in the machine. */
export const verdictInside = (kills: number): OomVerdict | null =>
  kills === 0 ? null : {whose: 'payload', evidence: `oom_kill +${String(kills)} in the kernel of the virtual machine`, certain: true};

interface Hits {
  own: string[];
  ancestors: string[];
}

type Rise = (group: GroupEvents, key: 'oomKills' | 'oomLocal' | 'oom' | 'limitHits') => number;

function hitsV2(own: GroupEvents[], ancestors: GroupEvents[], rise: Rise): Hits {
  // `oom` of a leaf includes groups that the payload made: their limits are the payload's own affair.
  const inside = own.filter((group) => group.level !== 'box').map((group) => ({group, count: rise(group, 'oom'), file: 'memory.events'}));
  let below = inside.reduce((sum, {count}) => sum + count, 0);
  const around = [...own.filter((group) => group.level === 'box'), ...ancestors].map((group) => {
    if (group.oomLocal !== null) return {group, count: rise(group, 'oomLocal'), file: 'memory.events.local'};
    const all = rise(group, 'oom');
    const count = Math.max(0, all - below);
    below = Math.max(all, below);
    return {group, count, file: 'memory.events'};
  });
  const named = [...inside, ...around].filter(({count}) => count > 0);
  const text = ({group, count, file}: (typeof named)[number]): string => `oom +${count} in ${group.directory}/${file}`;
  return {
    own: named.filter(({group}) => group.level !== 'ancestor').map(text),
    ancestors: named.filter(({group}) => group.level === 'ancestor').map(text),
  };
}

function hitsV1(own: GroupEvents[], ancestors: GroupEvents[], rise: Rise): Hits {
  const text = (group: GroupEvents): string => `failcnt +${rise(group, 'limitHits')} in ${group.directory}`;
  const failed = (group: GroupEvents): boolean => rise(group, 'limitHits') > 0;
  const hits = {own: own.filter(failed).map(text), ancestors: ancestors.filter(failed).map(text)};
  if (hits.own.length > 0 || hits.ancestors.length > 0) return hits;
  // The kill is certain, and nothing counted whose: the innermost memory-and-swap limit that was reached is the best there is.
  const reached = [...own, ...ancestors].find((group) => group.memswReached);
  if (reached === undefined) return hits;
  const evidence = [`memory.memsw.max_usage_in_bytes at its limit in ${reached.directory} (its failcnt is not counted by this kernel)`];
  return reached.level === 'ancestor' ? {own: [], ancestors: evidence} : {own: evidence, ancestors: []};
}

function classify(hits: Hits, version: 1 | 2 | null, kills: number): OomVerdict {
  const killed = `oom_kill +${kills}`;
  const certain = version === 2;
  if (hits.own.length > 0) {
    // Both rose: the payload's limit is the smaller one, and would be met first.
    const evidence = [killed, ...hits.own, ...hits.ancestors].join(', ');
    return {whose: 'payload', evidence, certain: certain && hits.ancestors.length === 0};
  }
  if (hits.ancestors.length > 0) return {whose: 'slot', evidence: [killed, ...hits.ancestors].join(', '), certain};
  return {whose: 'node', evidence: `${killed}, and no limit of a group that can be seen from here was hit`, certain};
}
