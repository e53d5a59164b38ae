/** The place of an account that another account has taken. */

import {expect} from 'chai';
import {chmodSync, chownSync, mkdirSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import type {UsageRecord} from '../../../src/record/record.js';
import {describeSite} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {isRoot} from '../../support/tare.js';

const DAEMON = 1;

describeSite('a state directory that another account has taken', {roles: ['user'], mayLeave: true}, (site) => {
  it('is passed over: jobs run, and root finds their records under the other name', async function () {
    need(this, isRoot, 'only root makes directories of other accounts');
    const uid = String(site.credentials.uid);
    const users = join(site.directory, 'users');
    mkdirSync(join(users, uid), {recursive: true});
    chmodSync(users, 0o1777);
    chownSync(join(users, uid), DAEMON, DAEMON);
    const policy = {directories: {state: join(users, '%u'), node: join(site.directory, 'node')}};
    const {code, record} = await site.run(['--', '/bin/true'], {policy});
    expect([code, record.outcome.status, record.mode]).to.deep.equal([0, 'completed', 'box']);
    expect(readdirSync(users).sort()).to.deep.equal([uid, `${uid}.1`]);
    const again = await site.run(['--', '/bin/true'], {policy});
    expect(again.code).to.equal(0);
    const spool = join(users, `${uid}.1`, 'spool');
    const asRoot = {uid: 0, gid: 0};
    const listed = await site.command(['records', 'list', '--json', '--policy', site.policy(policy), '--spool', spool], asRoot);
    const ids = listed.stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as UsageRecord).recordId);
    expect(ids.sort(), listed.stderr).to.deep.equal([record.recordId, again.record.recordId].sort());
  });
});
