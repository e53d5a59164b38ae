/**
 * Changes of control group files as the kernel tells them: it modifies memory.events, pids.events and cgroup.events for each process that watches
 * (cgroup-v2.rst; inotify, at most once in 10 ms). Where no watch can be had (fs.inotify.max_user_instances is used up), they are looked at.
 */

import {watch, type FSWatcher} from 'node:fs';
import {ifPossible} from '../errors.js';

/** Pause after a change: a payload at its limit changes the file all the time. */
const PAUSE_MS = 1000;
/** Interval of looks where the kernel sends no notice. */
const POLL_MS = 1000;

/** Listens to files of control groups until `end`. */
export class Notices {
  /** null: nothing was listened to. */
  by: 'notified' | 'polled' | null = null;
  private readonly watchers = new Set<FSWatcher>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private ended = false;

  /** @param heard called soon after each change, at most once in a pause, and sometimes without a change */
  listen(file: string | null, heard: () => void): void {
    if (file === null) return;
    this.by ??= 'notified';
    this.arm(file, heard);
    heard(); // what changed before
  }

  /** Stops listening; nothing is called any more. */
  end(): void {
    this.ended = true;
    for (const watcher of this.watchers) watcher.close();
    for (const timer of this.timers) clearTimeout(timer);
    this.watchers.clear();
    this.timers.clear();
  }

  private arm(file: string, heard: () => void): void {
    const watcher = ifPossible(() => watch(file, {persistent: false}));
    if (watcher === null) {
      this.poll(heard);
      return;
    }
    this.watchers.add(watcher);
    const disarm = (): boolean => {
      const was = this.watchers.delete(watcher);
      if (was) watcher.close();
      return was;
    };
    watcher.on('error', () => {
      if (disarm()) this.poll(heard);
    });
    watcher.on('change', () => {
      // a closed watcher can still have something to say
      if (!disarm()) return;
      heard();
      this.later(PAUSE_MS, () => {
        this.arm(file, heard);
        heard(); // what changed while nobody listened
      });
    });
  }

  private poll(heard: () => void): void {
    this.by = 'polled';
    this.later(POLL_MS, () => {
      heard();
      this.poll(heard);
    });
  }

  private later(ms: number, action: () => void): void {
    if (this.ended) return;
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      if (!this.ended) action();
    }, ms);
    timer.unref();
    this.timers.add(timer);
  }
}
