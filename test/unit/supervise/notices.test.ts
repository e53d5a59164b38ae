import {appendFileSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect} from 'chai';
import {Notices} from '../../../src/supervise/notices.js';

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('notices of the kernel', () => {
  let directory: string;
  let file: string;
  let notices: Notices;
  let heard: number;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tare-notices-'));
    file = join(directory, 'memory.events');
    writeFileSync(file, 'max 0\n');
    notices = new Notices();
    heard = 0;
  });
  afterEach(() => {
    notices.end();
    rmSync(directory, {recursive: true});
  });
  const hear = (): void => {
    heard++;
  };

  it('come at once, and are asked for once at the beginning', async () => {
    notices.listen(file, hear);
    expect([heard, notices.by]).to.deep.equal([1, 'notified']);
    await sleep(30);
    expect(heard).to.equal(1);
    appendFileSync(file, 'x');
    for (let waited = 0; heard < 2 && waited < 500; waited += 5) await sleep(5);
    expect(heard).to.equal(2);
  });

  it('come once in a second however often the file changes, and the last is not missed', async () => {
    notices.listen(file, hear);
    for (let n = 0; n < 20; n++) {
      appendFileSync(file, 'x');
      await sleep(5);
    }
    expect(heard).to.equal(2);
    await sleep(1200);
    expect(heard).to.equal(3);
    appendFileSync(file, 'x');
    for (let waited = 0; heard < 4 && waited < 500; waited += 5) await sleep(5);
    expect(heard).to.equal(4);
  });

  it('are looked for where nothing can be watched', async () => {
    notices.listen(join(directory, 'not-there'), hear);
    expect([heard, notices.by]).to.deep.equal([1, 'polled']);
    await sleep(1200);
    expect(heard).to.equal(2);
  });

  it('do not come after the end, nor where there is no file', async () => {
    notices.listen(null, hear);
    expect([heard, notices.by]).to.deep.equal([0, null]);
    notices.listen(file, hear);
    notices.end();
    appendFileSync(file, 'x');
    await sleep(50);
    expect(heard).to.equal(1);
  });
});
