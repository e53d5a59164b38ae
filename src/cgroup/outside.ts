/**
 * What killed a wrapper whose record stayed open, as far as the counters of the groups around its box still tell: with memory.oom.group on
 * the slot, as HTCondor sets it, the kernel kills the wrapper with all the rest when the slot's limit is reached.
 */

import type {OomVerdict} from '../record/outcome.js';
import type {GroupEvents, MemoryEvents} from './groups.js';
import {readAgain} from './memory-events.js';

/**
 * The groups around the box, the nearest first, before the payload ran and now. One that is gone, or that was made anew under its name,
 * tells nothing. The caller has made sure that the node has not been booted since: counters begin at 0 then.
 *
 * Certain on v2 where a group killed whole (memory.events.local `oom_group_kill`, Linux 5.17) or is set to. Where only some process was
 * killed at the slot's limit it need not have been the wrapper, nor need it on v1, which counts a kill in the victim's group.
 * @returns null when no counter says that anything was killed for memory
 */
export function verdictFromOutside(before: MemoryEvents, now: (group: GroupEvents) => GroupEvents | null = readAgain): OomVerdict | null {
  const {version} = before;
  if (version === null) return null;
  let killed: string | null = null;
  for (const earlier of before.groups.filter(({level}) => level === 'ancestor' || level === 'box')) {
    const later = now(earlier);
    if (later === null) continue;
    const rise = (key: 'oomKills' | 'oomLocal' | 'oom' | 'oomGroupKills' | 'limitHits'): number =>
      Math.max(0, (later[key] ?? 0) - (earlier[key] ?? 0));
    const kills = rise('oomKills');
    if (kills > 0) killed ??= `oom_kill +${String(kills)} in ${earlier.directory}`;
    if (earlier.level === 'box') continue;
    const hits = version === 1 ? (kills > 0 ? rise('limitHits') : 0) : earlier.oomLocal === null ? rise('oom') : rise('oomLocal');
    if (hits === 0) continue;
    const whole = rise('oomGroupKills') > 0 || (later.oomGroupKills === null && later.killsWhole === true);
    const what = version === 1 ? 'failcnt' : 'oom';
    const evidence = [
      `${what} +${String(hits)} in ${earlier.directory}`,
      ...(kills > 0 ? [`oom_kill +${String(kills)}`] : []),
      ...(rise('oomGroupKills') > 0 ? [`oom_group_kill +${String(rise('oomGroupKills'))}`] : whole ? ['memory.oom.group 1'] : []),
    ];
    // a limit that was hit without a kill did not kill a wrapper
    if (kills > 0 || whole) return {whose: 'slot', evidence: evidence.join(', '), certain: version === 2 && whole};
  }
  if (killed === null) return null;
  return {whose: 'node', evidence: `${killed}, and no limit of a group that can be seen from here was hit`, certain: false};
}
