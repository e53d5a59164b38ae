/** The main job: the same bytes wherever and however it runs. */
import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {installed, payload, ROLES, Site} from '../../support/tare.js';

const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

describe('main job', () => {
  const known = readFileSync(join(installed(), 'fixtures/payloads/mcsim.sha256'), 'utf8').trim().split(/\s+/)[0];
  const bare = new Site('root');
  after(() => {
    bare.remove();
  });

  it('gives the known bytes on bare metal', () => {
    execFileSync(payload('mcsim'), ['--events', '200', '--seed', '42', '--output', join(bare.work, 'HITS')], {stdio: 'ignore'});
    expect(sha256(join(bare.work, 'HITS'))).to.equal(known);
  });

  for (const role of ROLES) {
    for (const cores of [1, 2]) {
      it(`gives the same bytes in the box, ${role}, ${String(cores)} workers`, async () => {
        const site = new Site(role);
        try {
          const job = site.job({
            name: 'mcsim',
            command: [payload('mcsim'), '--events', '200', '--seed', '42', '--output', 'HITS'],
            limits: {cores, memory: '512MiB', processes: 64},
          });
          const {code, record, stderr} = await site.run([job]);
          expect(code, stderr).to.equal(0);
          expect(stderr).to.contain(`workers=${String(cores)}`);
          expect(sha256(join(site.work, 'HITS'))).to.equal(known);
          expect(record.outcome.status).to.equal('completed');
          expect(record.state).to.equal('final');
          expect(record.allocation.cores).to.equal(cores);
          expect(record.mode).to.equal('box');
          expect(site.leftovers()).to.deep.equal([]);
        } finally {
          site.remove();
        }
      });
    }
  }
});
