/** The look that costs next to nothing (native/glance.c): it takes over only while everything is as the last probe found it. */

import {spawn} from 'node:child_process';
import {expect} from 'chai';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {bin, ending, isRoot} from '../../support/tare.js';

/**
 * The node's own places and policy, in a mount namespace of its own. `seen NAME` says after a call whether the result was only renewed or
 * written anew, and how the call ended.
 */
const SCRIPT = `
set -u
for place in /etc/tare /var/lib/tare /var/spool/tare; do mkdir -p $place && mount -t tmpfs -o mode=0755 t $place || exit 9; done
chmod 1777 /var/spool/tare
mkdir -m 1777 /var/lib/tare/users
policy() { printf '{"schema": "tare/policy/v1", "directories": {"spool": "/var/spool/tare", "state": "/var/lib/tare/users/%%u"}%s}' "$1" >/etc/tare/policy.yaml; }
result=/var/lib/tare/node/health.json
seen() {
  before=$(stat -c %i $result 2>/dev/null); old=$(stat -c %Y $result 2>/dev/null || echo 0)
  [ "$old" = 0 ] || touch -d @1000000000 $result
  "$TARE" node probe --quiet >/dev/null; code=$?
  [ "$(stat -c %i $result)" = "$before" ] && how=renewed || how=written
  [ "$(stat -c %Y $result)" -gt 1000000000 ] || how=forgotten
  echo "$1 $how $code"
}
policy ''
seen first
seen again
chmod 700 /var/lib/tare/users/0
seen place
chmod 711 /var/lib/tare/users/0
seen place-back
touch /etc/tare/off
seen switch
rm /etc/tare/off
seen switch-off
mount -o remount,ro /var/spool/tare
seen read-only
mount -o remount,rw /var/spool/tare
seen writable
seen settled
echo "$(date +%s)000 started job ab12" >/var/lib/tare/node/reports/1; chown 1 /var/lib/tare/node/reports/1
seen report
policy ', "box": "maybe"'
seen broken
policy ''
seen mended
seen quiet
mount --bind /dev/null /usr/bin/bwrap
seen engine
umount /usr/bin/bwrap
printf 'tare-glance 1\\ntouch %s\\nbefore 99999999999\\nend\\n' $result >/var/lib/tare/node/glance
seen far
printf 'tare-glance 1\\ntouch %s\\ngone /nowhere/end\\n' $result >/var/lib/tare/node/glance
seen cut-off
chmod 666 /var/lib/tare/node/glance
seen anybodys
`;

describe('a look at a node without JavaScript', function () {
  this.timeout(patience(180_000));
  it('renews the result of the last probe while nothing has changed, and leaves everything else to a probe', async function () {
    need(this, isRoot, 'only root looks at all accounts');
    const child = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', SCRIPT], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {PATH: process.env.PATH, TARE: bin('tare')},
    });
    const {stdout, stderr} = await ending(child);
    expect(stdout.trim().split('\n'), stderr).to.deep.equal([
      'first written 0',
      'again renewed 0',
      'place written 0',
      'place-back written 0',
      'switch written 0',
      'switch-off written 0',
      'read-only written 1',
      'writable written 0',
      'settled renewed 0',
      'report written 0',
      'broken written 1',
      'mended written 0',
      'quiet renewed 0',
      'engine written 0',
      'far written 0',
      'cut-off written 0',
      'anybodys written 0',
    ]);
  });
});
