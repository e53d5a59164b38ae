import {expect} from 'chai';
import {chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {plainJob} from '../../../src/batch/plain.js';
import {processId} from '../../../src/process/process.js';
import {findLiveBox} from '../../../src/box/session.js';
import {plan, policy} from '../plan/build.js';

const UID = process.getuid?.() ?? 0;

describe('the live box that a session joins', () => {
  it('is one of this user’s own: what others could have written is not believed', () => {
    const base = mkdtempSync(join(tmpdir(), 'tare-session-'));
    try {
      const job = plainJob();
      job.lrms.globalJobId = 's#1.0#1';
      const box = join(base, 'state/boxes/ab');
      mkdirSync(box, {recursive: true});
      writeFileSync(join(box, 'box.json'), JSON.stringify({id: 'ab', plan: plan(), batch: job, init: processId(process.pid)}));
      const find = (): string | null => findLiveBox(policy({directories: {state: join(base, 'state')}}), UID, job)?.id ?? null;
      expect(find()).to.equal('ab');
      for (const folder of ['state', 'state/boxes']) {
        chmodSync(join(base, folder), 0o777);
        expect(find(), folder).to.equal(null);
        chmodSync(join(base, folder), 0o755);
      }
    } finally {
      rmSync(base, {recursive: true, force: true});
    }
  });
});
