import {expect} from 'chai';
import {userInfo} from 'node:os';
import {EXIT} from '../../../src/errors.js';
import {callerIdentity, payloadIdentity} from '../../../src/prepare/identity.js';
import {need} from '../../support/need.js';
import {job, policy, ROOT, thrown, USER} from '../plan/build.js';

describe('whom the payload runs as', () => {
  it('the caller is who runs this process', () => {
    expect(callerIdentity()).to.include({
      uid: process.getuid?.(),
      gid: process.getgid?.(),
      name: userInfo().username,
      home: userInfo().homedir,
    });
    expect(callerIdentity().groups).to.deep.equal(process.getgroups?.());
  });

  it('a user’s payload runs as the user', () => {
    expect(payloadIdentity(job(), policy(), USER)).to.deep.equal({value: USER, provenance: {source: 'caller', at: 'the caller'}});
    expect(payloadIdentity(job({user: 'atlas001'}), policy(), USER)).to.deep.equal({
      value: USER,
      provenance: {source: 'job', at: 'job.yaml#/user'},
    });
  });

  it('an account is found by name or number, with all its groups', () => {
    const byName = payloadIdentity(job({user: 'root'}), policy(), USER);
    expect(byName.value).to.include({uid: 0, gid: 0, name: 'root', home: '/root'});
    expect(byName.value.groups).to.include(0);
    expect(byName.provenance.at).to.equal('job.yaml#/user');
    expect(payloadIdentity(job({user: '0'}), policy(), USER).value.name).to.equal('root');
  });

  it('an account that does not exist is refused with its place', () => {
    for (const name of ['no-such-account', '--help', '-1']) {
      const error = thrown(() => payloadIdentity(job({user: name}), policy(), USER));
      expect([error.code, error.exit, error.details.where, error.details.found]).to.deep.equal([
        'USER_UNKNOWN',
        EXIT.failure,
        'job.yaml#/user',
        name,
      ]);
    }
    expect(
      thrown(() => payloadIdentity(job({workDirectory: '/nowhere'}), policy({identity: {user: 'no-such-account'}}), ROOT)).details.where,
    ).to.equal('policy.yaml#/identity/user');
  });

  it('root’s payload runs as the policy’s account where the work directory is root’s or missing', function () {
    need(
      this,
      thrownNothing(() => payloadIdentity(job({user: 'nobody'}), policy(), USER)),
      'there is no account nobody',
    );
    for (const workDirectory of ['/', '/nowhere/at/all']) {
      const {value, provenance} = payloadIdentity(job({workDirectory}), policy(), ROOT);
      expect([value.name, provenance.at]).to.deep.equal(['nobody', 'builtin']);
    }
    expect(payloadIdentity(job({workDirectory: '/'}), policy({identity: {user: 'root', allowRoot: true}}), ROOT).value).to.equal(ROOT);
  });
});

function thrownNothing(action: () => unknown): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}
