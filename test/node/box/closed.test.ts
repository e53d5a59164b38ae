/**
 * Directories that the job's user may pass through and not list: root's, of mode 0711. bubblewrap opens each directory above a mount for
 * reading since 0.12.0 (and in what distributions have put into older ones), and fails below such a one.
 */
import {chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {describeSite} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {isRoot} from '../../support/tare.js';

const NOBODY = 65534;
/** Not private in a box, and every directory above can be read. */
const PLACE = '/var/lib';

describeSite('below a directory of mode 0711, %s', {parent: PLACE}, (site, role) => {
  before(function () {
    need(this, isRoot, 'only root makes directories that a user cannot read');
    chmodSync(site.directory, 0o711);
  });

  const boxed = {policy: {box: 'required'}};

  it('state, spool and scratch lie there, as documented: the job is boxed, and sees nothing of them', async () => {
    const work = mkdtempSync(join(PLACE, 'tare-test-work-'));
    try {
      chownSync(work, NOBODY, NOBODY);
      const look = ['state', 'spool', 'scratch'].map((name) => `ls -A ${join(site.directory, name)}`).join(' && ');
      const forged = `{ chmod 700 ${site.directory}/spool; touch ${site.directory}/spool/forged; } 2>/dev/null`;
      const script = `${look} && ! ${forged} && echo written >out && cat /proc/1/comm`;
      const {code, stdout, stderr, record} = await site.run(['--', '/bin/sh', '-c', script], {...boxed, cwd: work});
      expect([code, stdout], stderr).to.deep.equal([0, 'tare-init\n']);
      expect(record.mode).to.equal('box');
      expect(record.flags).not.to.include('unboxed');
      expect(readFileSync(join(work, 'out'), 'utf8')).to.equal('written\n');
    } finally {
      rmSync(work, {recursive: true});
    }
  });

  it('the work directory lies there: the job is boxed, writes to it, and to nothing beside it', async () => {
    const beside = join(site.directory, 'beside');
    mkdirSync(beside);
    chownSync(beside, NOBODY, NOBODY);
    const script = 'pwd && echo written >out && cat /proc/1/comm && ! touch ../beside/file 2>/dev/null && test -d ../beside';
    const {code, stdout, stderr, record} = await site.run(['--', '/bin/sh', '-c', script], boxed);
    expect([code, stdout], stderr).to.deep.equal([0, `${site.work}\ntare-init\n`]);
    expect(record.mode).to.equal('box');
    expect(readFileSync(join(site.work, 'out'), 'utf8')).to.equal('written\n');
    expect(existsSync(join(beside, 'file'))).to.equal(false);
  });

  it('the work directory is reached through links, and so are the wrapper’s own: the job is boxed', async () => {
    const link = join(PLACE, `tare-test-link-${role}`);
    const inner = join(site.work, 'inner');
    mkdirSync(inner);
    chownSync(inner, NOBODY, NOBODY);
    symlinkSync(site.directory, link);
    try {
      const directories = Object.fromEntries(['state', 'spool', 'scratch'].map((name) => [name, join(link, name)]));
      const script = `cd ${link}/work/inner && echo written >out && ls -A ${link}/spool && cat /proc/1/comm`;
      const descriptor = site.job({command: ['/bin/sh', '-c', script], workDirectory: `${link}/work/inner`});
      const ended = await site.run([descriptor], {policy: {...boxed.policy, directories}});
      expect([ended.code, ended.stdout], ended.stderr).to.deep.equal([0, 'tare-init\n']);
      expect(ended.record.mode).to.equal('box');
      expect(readFileSync(join(inner, 'out'), 'utf8')).to.equal('written\n');
    } finally {
      rmSync(link);
      rmSync(inner, {recursive: true});
    }
  });
});
