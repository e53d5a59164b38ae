/** Views by fuse-overlayfs: where the kernel lets no user mount an overlay, which is shown on a file system without extended attributes. */
import {expect} from 'chai';
import {execFileSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {describeSite} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {bin, isRoot, processes, program} from '../../support/tare.js';

describeSite('views by fuse-overlayfs', {roles: ['user'], mayLeave: true, timeout: patience(60_000)}, (site) => {
  let place: string;
  before(function () {
    need(this, isRoot, 'only root can make a /dev/fuse that all may open');
    need(this, program('fuse-overlayfs') !== null && program('setpriv') !== null, 'fuse-overlayfs is not installed');
    place = mkdtempSync('/srv/tare-fuse-');
    execFileSync('/bin/sh', ['-c', 'cd "$1" && mkdir dir && touch dir/old && echo old >f && chown -R 65534:65534 .', 'sh', place]);
  });
  after(() => {
    rmSync(place, {recursive: true, force: true});
  });

  it('are what the plan says, are seen in the box, told by diff, and gone with the box', () => {
    const scratch = join(site.directory, 'scratch');
    const file = site.policy();
    // in a mount namespace of its own: nothing of the machine is changed
    const script = `set -e
      mount -t ramfs none "$1" && chmod 777 "$1" && mknod "$1/fuse" c 10 229 && chmod 666 "$1/fuse" && mount --bind "$1/fuse" /dev/fuse
      mkdir -m 755 "$1/s" && chown 65534:65534 "$1/s"
      as() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
      cd "$2"
      as "$3" run --policy "$4" --filesystem shared --record "$2/record" -- /bin/sh -c '
        cd "$0" && echo new >f && rm -r dir && mkdir dir && touch dir/new && cat f && grep -c fuse-overlayfs /proc/self/mountinfo >/dev/null && echo ready >"$1/ready"
        while test ! -e "$1/told"; do sleep 0.05; done' "$5" "$2" &
      while test ! -e "$2/ready" && kill -0 $!; do sleep 0.05; done
      as "$3" diff --policy "$4" "$(ls "$6/boxes")" || true
      touch "$2/told"
      wait $!
      ls "$1/s"`;
    const policy = join(site.directory, 'fuse.json');
    const document = JSON.parse(readFileSync(file, 'utf8')) as {directories: Record<string, string>};
    document.directories['scratch'] = `${scratch}/s`;
    writeFileSync(policy, JSON.stringify(document));
    const said = execFileSync(
      'unshare',
      [
        '--mount',
        '--propagation',
        'private',
        '/bin/sh',
        '-c',
        script,
        'sh',
        scratch,
        site.work,
        bin('tare'),
        policy,
        place,
        join(site.directory, 'state'),
      ],
      {encoding: 'utf8', timeout: 50_000},
    );
    // the work directory of this test lies in /tmp, so it has something there to be mounted upon
    const changes = said.split('\n').filter((line) => !line.startsWith('A /tmp/'));
    expect(changes.join('\n')).to.equal(`new\nC ${place}/dir\nA ${place}/dir/new\nD ${place}/dir/old\nC ${place}/f\n`);
    expect(readFileSync(join(place, 'f'), 'utf8')).to.equal('old\n');
    expect(processes().filter(({comm, state}) => comm.startsWith('fuse-overlay') && state !== 'Z')).to.deep.equal([]);
    expect(readFileSync(join(site.work, 'record'), 'utf8')).to.include('"status":"completed"');
  });
});
