/** Contents of files on their way to disk: under numbers, and no more of them than there is room for. */

import {closeSync, fchmodSync, futimesSync, mkdirSync, openSync, statfsSync, writeSync} from 'node:fs';
import {join} from 'node:path';
import {CannotUnpack} from './broken.js';
import type {TarEntry} from './tar.js';
import type {Content} from './tree.js';

/** Space of the disk that stays free, or a twentieth of the disk where that is less: the node's records lie there too. */
const LEAST_FREE = 2 ** 30;
const LEAST_SHARE = 1 / 20;
const LOOK_EVERY = 64 * 2 ** 20;

/** Contents under numbers. */
export class Store {
  readonly directory: string;
  readonly room: Room;
  left = 0;
  private count = 0;
  private file: number | null = null;

  constructor(directory: string, most: number | null) {
    this.directory = directory;
    this.room = new Room(directory, most);
    mkdirSync(directory, {mode: 0o700});
  }

  /** The file that holds a content. */
  pathOf({number}: Content): string {
    return join(this.directory, String(number >> 12), String(number));
  }

  /** Begins the next content. `take` is given its pieces in order, then null, and throws CannotUnpack when there is no room. */
  begin({mode, mtime}: TarEntry): {content: Content; take: (piece: Buffer | null) => void} {
    const content: Content = {number: this.count++};
    // not a million names in one directory
    if ((content.number & 0xfff) === 0) mkdirSync(join(this.directory, String(content.number >> 12)), {mode: 0o700});
    const file = openSync(this.pathOf(content), 'wx', 0o600);
    this.file = file;
    const take = (piece: Buffer | null): void => {
      if (piece !== null) {
        this.room.take(piece.length);
        for (let rest = piece; rest.length > 0;) rest = rest.subarray(writeSync(file, rest));
        return;
      }
      // the account that unpacks must be able to read it; a setuid bit would give its rights to every account that can reach the file
      fchmodSync(file, (mode & 0o777) | 0o400);
      futimesSync(file, mtime, mtime);
      this.close();
    };
    return {content, take};
  }

  /** Closes the content that was begun and not ended, if there is one. */
  close(): void {
    if (this.file !== null) closeSync(this.file);
    this.file = null;
  }
}

/** What may still be written. */
export class Room {
  bytes = 0;
  private readonly place: string;
  private readonly most: number | null;
  private sinceLook = LOOK_EVERY;

  constructor(place: string, most: number | null) {
    this.place = place;
    this.most = most;
  }

  /** @throws CannotUnpack when there is no room for so many bytes more */
  take(bytes: number): void {
    this.bytes += bytes;
    if (this.most !== null && this.bytes > this.most)
      throw new CannotUnpack(`its contents are more than the ${String(this.most)} bytes that the cache may hold`);
    this.sinceLook += bytes;
    if (this.sinceLook < LOOK_EVERY) return;
    this.sinceLook = 0;
    const {bavail, bsize, blocks} = statfsSync(this.place);
    if (bavail * bsize < Math.min(LEAST_FREE, blocks * bsize * LEAST_SHARE))
      throw new CannotUnpack(`${this.place}: too little of its disk would stay free (${String(bavail * bsize)} bytes)`);
  }
}
