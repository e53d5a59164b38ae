/** A small machine that systemd boots, with groups of its own: as root, and as a user with delegated groups. */

import {execFileSync} from 'node:child_process';
import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {describeSite} from '../../support/describe-site.js';
import {hasGroups} from '../../support/groups.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {isRoot, program} from '../../support/tare.js';

/** Of this machine's Debian, as the tests' own account's files: without services that take long and are not needed. */
const PARTS = 'bin sbin lib lib64 etc usr';
const WITHOUT = [
  'lib/modules',
  'lib/gcc',
  'lib/python3*',
  'share/doc',
  'share/locale',
  'share/perl',
  'lib/x86_64-linux-gnu/perl*',
  'share/zoneinfo',
]
  .map((name) => `--exclude='usr/${name}'`)
  .join(' ');
const GET = `exec 3<>/dev/tcp/127.0.0.1/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; head -1 <&3`;

describeSite('a small machine with systemd', {roles: [isRoot ? 'root' : 'user'], timeout: patience(60_000)}, (site) => {
  let image: string;
  before(function () {
    need(this, program('crun') !== null && program('nginx') !== null, 'crun or nginx is not installed');
    need(this, hasGroups(isRoot ? 'root' : 'user'), 'no control groups are delegated');
    image = join(site.directory, 'image');
    for (const name of ['proc', 'sys', 'dev', 'run', 'tmp', 'root', 'var/tmp', 'var/log/nginx', 'var/lib/nginx', 'var/lib/systemd', 'home'])
      mkdirSync(join(image, name), {recursive: true});
    execFileSync(
      '/bin/sh',
      ['-c', `tar cf - --ignore-failed-read ${WITHOUT} ${PARTS} 2>/dev/null | tar xf - --no-same-owner -C ${image} 2>/dev/null || true`],
      {cwd: '/'},
    );
    // nothing of the lab's own is booted
    execFileSync(
      '/bin/sh',
      [
        '-c',
        'rm -rf etc/systemd/system/*.wants etc/systemd/system/default.target etc/fstab; ln -sf /usr/lib/systemd/system/multi-user.target etc/systemd/system/default.target',
      ],
      {cwd: image},
    );
  });

  it('boots, runs nginx, has groups of its own below the box’s, and shuts down after the payload', async () => {
    const {code, stdout, stderr, record} = await site.run(
      [
        site.job({
          image,
          init: 'systemd',
          services: ['nginx'],
          network: 'none',
          limits: {memory: '600MiB', cores: 2},
          command: ['/bin/bash', '-c', `cat /proc/1/comm; ${GET}; systemctl is-active nginx; cat /proc/self/cgroup; id -u`],
        }),
      ],
      {policy: {images: [`${site.directory}/*`], services: {within: `${String(patience(60))}s`}}},
    );
    expect(code, `${stderr}\n${record.applications.map((one) => one.log).join('\n')}`).to.equal(0);
    expect(stdout).to.match(/^systemd\nHTTP\/1\.1 [^\n]*\nactive\n0::\/\S*app-payload\/job\n\d+\n$/);
    expect(record.applications.map(({name, outcome}) => [name, outcome.status])).to.deep.equal([
      ['init', 'stopped'],
      ['services', 'completed'],
      ['payload', 'completed'],
    ]);
    expect(record.limits?.memory).to.include({enforcement: 'kernel'});
    for (const {name, usage} of record.applications) expect(usage.memPeakBytes, name).to.be.above(0);
  });

  it('has a name and an address of its own: of a pool as root, in user mode as a user', async () => {
    const address = isRoot ? 'bridge' : 'user';
    const pools = [{name: 'own', kind: 'bridge', bridge: 'tbr0', make: true, ranges: ['10.97.0.0/24']}];
    const {code, stdout, stderr, record} = await site.run(
      [
        site.job({
          image,
          init: 'systemd',
          services: ['nginx'],
          identity: {},
          limits: {memory: '600MiB'},
          command: ['/bin/bash', '-c', 'hostname; ip -o -4 addr show eth0; systemctl is-active nginx'],
        }),
      ],
      {
        policy: {
          images: [`${site.directory}/*`],
          services: {within: `${String(patience(60))}s`},
          identity: {hostname: 'small-{n}', address: [address], pools},
        },
      },
    );
    expect(code, `${stderr}\n${record.applications.map((one) => one.log).join('\n')}`).to.equal(0);
    expect(stdout).to.match(/^small-0\n/);
    expect(record.identity).to.deep.include({hostname: 'small-0', kind: address, nat: isRoot ? 'none' : 'user-mode'});
    for (const each of record.identity?.addresses.filter((one) => one.includes('.')) ?? []) expect(stdout).to.include(each);
  });

  it('a service that fails: its journal is in the record', async () => {
    const {record} = await site.run(
      [site.job({image, init: 'systemd', services: ['nothing-there'], network: 'none', command: ['/bin/true']})],
      {
        policy: {images: [`${site.directory}/*`], services: {within: `${String(patience(60))}s`}},
      },
    );
    expect(record.outcome).to.include({code: 'SERVICES_FAILED'});
    expect(record.applications[1]?.log).to.include('nothing-there');
  });
});
