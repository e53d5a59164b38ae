/** An export that is killed again and again loses nothing. */

import {spawn} from 'node:child_process';
import {mkdtempSync, readdirSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {expect} from 'chai';
import {patience} from '../../support/pace.js';
import {sampleOf} from '../../support/prom.js';
import {pilot, put} from '../../support/records.js';

const RECORDS = 2000;
const KILLS = 10;

describe('an export that is killed', function () {
  this.timeout(patience(120_000));
  it('loses no record; what goes out twice is the same; a counter counts once', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tare-killed-'));
    try {
      for (let number = 0; number < RECORDS; number++) put(join(directory, 'spool'), pilot(number));
      const script = fileURLToPath(new URL('exporting.ts', import.meta.url));
      let killed = 0;
      let last = '';
      while (killed <= KILLS) {
        const child = spawn(process.execPath, ['--import=tsx', script, directory], {stdio: ['ignore', 'pipe', 'inherit']});
        let text = '';
        const isToDie = killed < KILLS;
        child.stdout.on('data', (more: Buffer) => {
          // some ways into the work, each time a little further
          if (text === '' && isToDie) setTimeout(() => child.kill('SIGKILL'), 10 + killed * 7);
          text += more.toString();
        });
        const signal = await new Promise((resolve) => child.on('close', (_, by) => resolve(by)));
        if (signal === null) {
          last = text;
          break;
        }
        killed++;
      }
      expect(killed).to.be.above(4);
      const tallies = JSON.parse(last.split('\n')[1] ?? '') as {delivered: number; before: number}[];
      for (const {delivered, before} of tallies) expect(delivered + before).to.equal(RECORDS);
      const lines = readdirSync(join(directory, 'jsonl'))
        .filter((name) => name.endsWith('.jsonl'))
        .flatMap((name) =>
          readFileSync(join(directory, 'jsonl', name), 'utf8')
            .split('\n')
            .filter(Boolean),
        );
      expect(new Set(lines)).to.have.property('size', RECORDS);
      const elements = readdirSync(join(directory, 'apel'), {recursive: true}).filter((name) => /\/[0-9a-f]{14}$/.test(String(name)));
      const jobs = elements.flatMap(
        (name) => readFileSync(join(directory, 'apel', String(name)), 'utf8').match(/^LocalJobId: .*$/gm) ?? [],
      );
      expect(new Set(jobs)).to.have.property('size', RECORDS);
      // at most one batch for each kill
      expect(jobs.length - RECORDS).to.be.within(0, killed * 20);
      expect(sampleOf(readFileSync(join(directory, 'tare.prom'), 'utf8'), 'tare_jobs_total{outcome="completed"}')).to.equal(RECORDS);
    } finally {
      rmSync(directory, {recursive: true, force: true});
    }
  });
});
