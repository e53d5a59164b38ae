import {expect} from 'chai';
import {withGroup, withUser} from '../../../src/run/accounts.js';

const ACCOUNT = {name: 'atlas001', uid: 1001, gid: 1001, home: '/home/atlas001'};
const OWN = 'atlas001:x:1001:1001::/home/atlas001:/bin/sh';

describe('accounts of a small machine', () => {
  it('are the image’s, and the payload’s user', () => {
    expect(withUser('root:x:0:0:root:/root:/bin/sh\nwww:x:33:33::/:/bin/false\n', ACCOUNT)).to.equal(
      `root:x:0:0:root:/root:/bin/sh\nwww:x:33:33::/:/bin/false\n${OWN}\n`,
    );
  });
  it('one of the same name or number gives way', () => {
    expect(withUser('root:x:0:0::/:/bin/sh\natlas001:x:7:7::/:/bin/sh\nother:x:1001:5::/:/bin/sh', ACCOUNT)).to.equal(
      `root:x:0:0::/:/bin/sh\n${OWN}\n`,
    );
  });
  it('an image without any has root', () => {
    expect(withUser('', ACCOUNT)).to.equal(`root:x:0:0:root:/root:/bin/sh\n${OWN}\n`);
    expect(withGroup('', ACCOUNT)).to.equal('root:x:0:\natlas001:x:1001:\n');
  });
  it('a group of that number keeps its name', () => {
    expect(withGroup('root:x:0:\nusers:x:1001:\n', ACCOUNT)).to.equal('root:x:0:\nusers:x:1001:\n');
  });
  it('a home cannot make another line or field', () => {
    expect(
      withUser('', {...ACCOUNT, home: '/a:b\nroot2:x:0:0::/:/bin/sh'})
        .trim()
        .split('\n'),
    ).to.have.length(2);
  });
});
