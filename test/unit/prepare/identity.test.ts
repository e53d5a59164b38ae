import {expect} from 'chai';
import {execFileSync} from 'node:child_process';
import {chownSync, mkdirSync, mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {EXIT} from '../../../src/errors.js';
import {TareError} from '../../../src/errors.js';
import {callerIdentity, nameCaller, payloadIdentity, requireAnswer} from '../../../src/prepare/identity.js';
import {need} from '../../support/need.js';
import {job, policy, ROOT, USER} from '../plan/build.js';

describe('the account of the payload', () => {
  it('the caller is the account of this process, whatever its environment says', async () => {
    const uid = process.getuid?.();
    const row = execFileSync('getent', ['passwd', String(uid)], {encoding: 'utf8'}).split(':');
    const before = {...process.env};
    Object.assign(process.env, {USER: 'unknown', LOGNAME: 'unknown', HOME: '/a-lie'});
    try {
      const {caller, silent} = await nameCaller(callerIdentity(), policy());
      expect(silent).to.equal(null);
      expect(caller).to.include({uid, gid: process.getgid?.(), name: row[0], home: row[5]});
      expect(caller.groups).to.deep.equal(process.getgroups?.());
    } finally {
      Object.assign(process.env, before);
    }
  });

  it('no answer is the node’s fault where a rule names users, and nothing where none does', () => {
    const silent = {state: 'silent', because: 'getent passwd gave no answer within 3.3 s', passing: true} as const;
    const caller = {...USER, name: null, home: null};
    const ruled = policy({rules: [{match: {vo: ['atlas']}}, {name: 'no games', match: {user: ['games']}, refuse: 'none'}]});
    for (const [named, rules] of [
      [{caller, silent}, policy({rules: [{match: {vo: ['atlas']}}]})],
      [{caller, silent: null}, ruled],
    ] as const)
      requireAnswer(named, rules);
    const error = thrownBy(() => {
      requireAnswer({caller, silent}, ruled);
    });
    expect([error.code, error.exit, error.kind, error.details.where]).to.deep.equal([
      'NAME_SERVICE_SILENT',
      EXIT.failure,
      'node',
      'policy.yaml#/rules/1',
    ]);
    expect(error.message).to.include('"no games"').and.to.include(silent.because);
  });

  it('a user’s payload runs as the user', async () => {
    expect(await payloadIdentity(job(), policy(), USER, null)).to.deep.equal({
      value: USER,
      provenance: {source: 'caller', at: 'the caller'},
    });
    expect(await payloadIdentity(job({user: 'atlas001'}), policy(), USER, null)).to.deep.equal({
      value: USER,
      provenance: {source: 'job', at: 'job.yaml#/user'},
    });
  });

  it('an account is found by name or number, with all its groups', async () => {
    const byName = await payloadIdentity(job({user: 'root'}), policy(), USER, null);
    expect(byName.value).to.include({uid: 0, gid: 0, name: 'root', home: '/root'});
    expect(byName.value.groups).to.include(0);
    expect(byName.provenance.at).to.equal('job.yaml#/user');
    expect((await payloadIdentity(job({user: '0'}), policy(), USER, null)).value.name).to.equal('root');
  });

  it('an account that does not exist is refused with its place', async () => {
    for (const name of ['no-such-account', '--help', '-1', 'root:x', 'x'.repeat(200_000)]) {
      const error = await rejected(payloadIdentity(job({user: name}), policy(), USER, null));
      expect([error.code, error.exit, error.details.where, error.details.found]).to.deep.equal([
        'USER_UNKNOWN',
        EXIT.failure,
        'job.yaml#/user',
        name,
      ]);
    }
    const identity = {user: 'no-such-account'};
    expect((await rejected(payloadIdentity(job({workDirectory: '/nowhere'}), policy({identity}), ROOT, null))).details.where).to.equal(
      'policy.yaml#/identity/user',
    );
  });

  it('a descriptor that came with the job chooses no account: it is the owner of where the job was started', async function () {
    need(this, process.getuid?.() === 0, 'only root gives directories away');
    const base = mkdtempSync(join(tmpdir(), 'tare-identity-'));
    try {
      const [here, others] = ['here', 'others'].map((name) => join(base, name)) as [string, string];
      for (const [path, uid] of [
        [here, 1],
        [others, 48_123],
      ] as const) {
        mkdirSync(path);
        chownSync(path, uid, uid);
      }
      for (const one of [job(), job({workDirectory: others}), job({user: 'daemon'}), job({user: '1'})]) {
        const {value, provenance} = await payloadIdentity(one, policy(), ROOT, here);
        expect([value.uid, provenance.at]).to.deep.equal([1, 'the owner of the work directory']);
      }
      for (const user of ['root', 'nobody', '0', 'no-such-account', '48123']) {
        const error = await rejected(payloadIdentity(job({user}), policy(), ROOT, here));
        expect([error.code, error.exit, error.details.where, error.details.found]).to.deep.equal([
          'USER_FORBIDDEN',
          EXIT.refused,
          'job.yaml#/user',
          user,
        ]);
      }
      expect((await payloadIdentity(job({workDirectory: others}), policy(), ROOT, null)).value.uid).to.equal(48_123);
      expect((await payloadIdentity(job({user: 'daemon'}), policy(), ROOT, null)).value.uid).to.equal(1);
    } finally {
      rmSync(base, {recursive: true});
    }
  });

  it('root’s payload runs as the policy’s account where the work directory is root’s or missing', async function () {
    need(
      this,
      await payloadIdentity(job({user: 'nobody'}), policy(), USER, null).then(
        () => true,
        () => false,
      ),
      'there is no account nobody',
    );
    for (const workDirectory of ['/', '/nowhere/at/all']) {
      const {value, provenance} = await payloadIdentity(job({workDirectory}), policy(), ROOT, null);
      expect([value.name, provenance.at]).to.deep.equal(['nobody', 'builtin']);
    }
    const rootsOwn = policy({identity: {user: 'root', allowRoot: true}});
    expect((await payloadIdentity(job({workDirectory: '/'}), rootsOwn, ROOT, null)).value).to.equal(ROOT);
  });
});

function thrownBy(action: () => void): TareError {
  try {
    action();
  } catch (error) {
    if (error instanceof TareError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

async function rejected(promise: Promise<unknown>): Promise<TareError> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error instanceof TareError) return error;
  throw error instanceof Error ? error : new Error('nothing was thrown');
}
