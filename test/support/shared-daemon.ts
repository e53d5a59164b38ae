/** A daemon for tests. Test files that run at once share it: the first starts it, the last stops it. */

import {existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmdirSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {until} from './tare.js';

interface DaemonOptions {
  /** One runs: that of the machine, or of another test. */
  isThere: () => boolean | Promise<boolean>;
  /** @param folder its own, which is not below a site's: no process is left there after a test */
  start: (folder: string) => Promise<void>;
  /** After it nothing of the daemon is left, but its folder. */
  stop: (folder: string) => Promise<void>;
}

const isHere = (pid: string): boolean => existsSync(`/proc/${pid}`);

export class SharedDaemon {
  private readonly name: string;
  private readonly options: DaemonOptions;
  /** Its users, by their pids, and a link to its folder. */
  private readonly place: string;
  private readonly lock: string;
  private readonly link: string;
  private readonly mine: string;

  constructor(name: string, options: DaemonOptions) {
    this.name = name;
    this.options = options;
    this.place = `/run/tare-test-${name}`;
    this.lock = `${this.place}.lock`;
    this.link = `${this.place}/folder`;
    this.mine = `${this.place}/${String(process.pid)}`;
  }

  /** Starts it where there is none. */
  begin(): Promise<void> {
    return this.alone(async () => {
      if (existsSync(this.place)) writeFileSync(this.mine, '');
      if (await this.options.isThere()) return;
      const folder = mkdtempSync(join(tmpdir(), `tare-${this.name}-`));
      mkdirSync(this.place, {recursive: true});
      symlinkSync(folder, this.link);
      writeFileSync(this.mine, '');
      await this.options.start(folder);
    });
  }

  /** Stops it where it was started here, and no other test needs it. */
  end(): Promise<void> {
    return this.alone(async () => {
      rmSync(this.mine, {force: true});
      if (!existsSync(this.link) || readdirSync(this.place).some((name) => name !== 'folder' && isHere(name))) return;
      const folder = realpathSync(this.link);
      await this.options.stop(folder);
      rmSync(folder, {recursive: true, force: true});
      rmSync(this.place, {recursive: true, force: true});
    });
  }

  /** One process at a time starts or stops it. */
  private async alone(act: () => Promise<void>): Promise<void> {
    const isTaken = (): boolean => {
      try {
        mkdirSync(this.lock);
        return true;
      } catch {
        return false;
      }
    };
    await until(`the lock of ${this.name}`, isTaken, 60);
    try {
      await act();
    } finally {
      rmdirSync(this.lock);
    }
  }
}
