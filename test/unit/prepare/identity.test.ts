import {expect} from 'chai';
import {execFileSync} from 'node:child_process';
import {EXIT} from '../../../src/errors.js';
import {TareError} from '../../../src/errors.js';
import {callerIdentity, nameCaller, payloadIdentity, requireAnswer} from '../../../src/prepare/identity.js';
import {need} from '../../support/need.js';
import {job, policy, ROOT, USER} from '../plan/build.js';

describe('whom the payload runs as', () => {
  it('the caller is who runs this process, whatever its environment says', async () => {
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
    expect(await payloadIdentity(job(), policy(), USER)).to.deep.equal({value: USER, provenance: {source: 'caller', at: 'the caller'}});
    expect(await payloadIdentity(job({user: 'atlas001'}), policy(), USER)).to.deep.equal({
      value: USER,
      provenance: {source: 'job', at: 'job.yaml#/user'},
    });
  });

  it('an account is found by name or number, with all its groups', async () => {
    const byName = await payloadIdentity(job({user: 'root'}), policy(), USER);
    expect(byName.value).to.include({uid: 0, gid: 0, name: 'root', home: '/root'});
    expect(byName.value.groups).to.include(0);
    expect(byName.provenance.at).to.equal('job.yaml#/user');
    expect((await payloadIdentity(job({user: '0'}), policy(), USER)).value.name).to.equal('root');
  });

  it('an account that does not exist is refused with its place', async () => {
    for (const name of ['no-such-account', '--help', '-1', 'root:x', 'x'.repeat(200_000)]) {
      const error = await rejected(payloadIdentity(job({user: name}), policy(), USER));
      expect([error.code, error.exit, error.details.where, error.details.found]).to.deep.equal([
        'USER_UNKNOWN',
        EXIT.failure,
        'job.yaml#/user',
        name,
      ]);
    }
    const identity = {user: 'no-such-account'};
    expect((await rejected(payloadIdentity(job({workDirectory: '/nowhere'}), policy({identity}), ROOT))).details.where).to.equal(
      'policy.yaml#/identity/user',
    );
  });

  it('root’s payload runs as the policy’s account where the work directory is root’s or missing', async function () {
    need(
      this,
      await payloadIdentity(job({user: 'nobody'}), policy(), USER).then(
        () => true,
        () => false,
      ),
      'there is no account nobody',
    );
    for (const workDirectory of ['/', '/nowhere/at/all']) {
      const {value, provenance} = await payloadIdentity(job({workDirectory}), policy(), ROOT);
      expect([value.name, provenance.at]).to.deep.equal(['nobody', 'builtin']);
    }
    const rootsOwn = policy({identity: {user: 'root', allowRoot: true}});
    expect((await payloadIdentity(job({workDirectory: '/'}), rootsOwn, ROOT)).value).to.equal(ROOT);
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
