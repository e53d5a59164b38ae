/** `tare doctor --attacks`: what this node's engines hold, and that it says so when one does not. */

import {spawn} from 'node:child_process';
import {chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {expect} from 'chai';
import type {TriedAttack} from '../../../src/run/attack-classes.js';
import {describeSite} from '../../support/describe-site.js';
import {HAS_VIEWS, kernelSince} from '../../support/groups.js';
import {need, needKernel} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {bin, ending, isRoot, program, type Site} from '../../support/tare.js';

const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
/** Whether the kernel lets a process type into its terminal (TIOCSTI); where the setting is missing, it does. Root may since Linux 6.7, whatever it says. */
const TYPING = '/proc/sys/dev/tty/legacy_tiocsti';
/** The holes whose classes have to be tried. */
const NUMBERS = [
  ...['CVE-2016-9962', 'CVE-2017-5226', 'CVE-2019-5736', 'CVE-2020-15257', 'CVE-2024-21626'],
  ...['CVE-2025-31133', 'CVE-2025-52565', 'CVE-2025-52881', 'CVE-2026-41163', 'CVE-2026-87766'],
];

interface Said {
  attacks: TriedAttack[];
  healthy: boolean;
  tried: {less: boolean; healthy: boolean};
}

/** `engine number: result` of each attack. */
const results = ({attacks}: Said, engine: string): string[] =>
  attacks
    .filter((one) => one.engine === engine)
    .map(({name, result, found}) => `${name}: ${result}${result === 'held' ? '' : ` (${found ?? ''})`}`);

describeSite("attacks of doctor's, %s", {each: true, mayLeave: true, timeout: patience(120_000)}, (site) => {
  it('are held by the engines of this node, each class is tried, and nothing is left', async function () {
    needKernel(this, HAS_VIEWS, 'the images that some attacks are made of need views');
    need(this, program('crun') !== null || program('runc') !== null, 'neither crun nor runc is installed');
    const stale = join('/var/tmp', `tare-attacks-${process.pid}-stale`);
    mkdirSync(join(stale, 'box'), {recursive: true});
    site.give(stale);
    utimesSync(stale, 0, 0);
    const policy = site.policy({engines: ['bubblewrap', 'crun', 'runc']});
    const {code, stdout, stderr} = await site.command(['doctor', '--attacks', '--json', '--policy', policy]);
    const said = JSON.parse(stdout) as Said;
    expect([...new Set(said.attacks.flatMap(({numbers}) => numbers))].sort()).to.deep.equal(NUMBERS);
    const boxes = ['bubblewrap', ...(program('crun') !== null && kernelSince(5, 12) ? ['crun'] : [])];
    const machine = program('crun') === null ? 'runc' : 'crun';
    const engines = [...boxes, boxes.includes(machine) ? `${machine}, small machine` : machine];
    expect([...new Set(said.attacks.map(({engine}) => engine))]).to.deep.equal([...engines, 'none']);
    for (const engine of engines)
      for (const result of results(said, engine)) expect(result, `${engine}, ${result}\n${stderr}`).to.match(/: held$/);
    expect(results(said, 'none').filter((text) => !text.includes('not tried'))).to.deep.equal(['terminal: held']);
    expect(code).to.equal(said.healthy && !said.tried.less ? 0 : 1);
    expect([...site.leftovers(), ...readdirSync(join(site.directory, 'spool'))]).to.deep.equal([]);
    expect(own()).to.deep.equal([]);
  });
});

/** Directories of doctors that have ended, and of this process. */
const own = (): string[] =>
  readdirSync('/var/tmp').filter((name) => {
    const [, pid = ''] = /^tare-attacks-(\d+)-/.exec(name) ?? [];
    return pid !== '' && (pid === String(process.pid) || !existsSync(join('/proc', pid)));
  });

describeSite('attacks of doctor’s that get through', {roles: ['user'], mayLeave: true, timeout: patience(120_000)}, (site) => {
  it('are open, and the node is not healthy', async function () {
    need(this, isRoot, 'only root covers bubblewrap');
    const policy = site.policy();
    const argv = [bin('tare'), 'doctor', '--attacks', '--json', '--policy', policy];
    const cover = 'mount --bind "$1" /usr/bin/bwrap && shift && exec "$@"';
    const command = ['--mount', '--propagation', 'private', 'sh', '-c', cover, 'sh', weakBubblewrap(site), ...NOBODY, ...argv];
    const {code, stdout, stderr} = await ending(spawn('unshare', command, {cwd: '/', stdio: ['ignore', 'pipe', 'pipe']}));
    const said = JSON.parse(stdout) as Said;
    const open = results(said, 'bubblewrap').filter((text) => text.includes(': open'));
    expect(
      open.map((text) => text.split(':')[0]),
      stderr,
    ).to.deep.equal(['abstract sockets', ...(HAS_VIEWS ? ['devices that are links'] : []), 'places that are links']);
    expect(open.at(-1)).to.include('made');
    expect(code).to.equal(1);
  });

  it('are seen by the program that tries them when there is no box at all', async () => {
    const attacks = join(dirname(bin('tare')), '../libexec/tare-attacks');
    const file = existsSync(attacks) ? attacks : join(dirname(bin('tare')), '../native/build/tare-attacks');
    const name = `tare-attacks-test-${process.pid}`;
    const env = {ATTACK_ABSTRACT: name};
    const {stdout} = await ending(spawn(file, ['outside', '30', name, file, 'box'], {cwd: '/', env, stdio: ['ignore', 'pipe', 'pipe']}));
    const sections = stdout.split(/^== /m).filter((text) => text.includes('\nSURVIVED '));
    const types = !existsSync(TYPING) || readFileSync(TYPING, 'utf8').startsWith('1') || (isRoot && kernelSince(6, 7));
    const typing = types ? ['terminal'] : [];
    expect(sections.map((text) => text.split('\n')[0])).to.deep.equal(['directories', 'sockets', 'runtime', 'program', ...typing]);
  });
});

/**
 * Not bubblewrap: a script that stands for one that shares the node's network, makes directories where links in the root lead, and leaves an image
 * its own /dev where there is a link in it.
 */
function weakBubblewrap(site: Site): string {
  const real = join(site.directory, 'real-bwrap');
  copyFileSync('/usr/bin/bwrap', real);
  const weak = join(site.directory, 'weak-bwrap');
  const script = `#!/bin/bash
words=() root= last=
while [ $# -gt 0 ]; do
  [ "$1" != / ] || root=$last
  [ "$last" != --dir ] || mkdir -p "$root$1"
  case "$1 $2" in
    '--dev /dev' | '--remount-ro /dev') [ ! -L "$root/dev/null" ] || { shift 2; continue; };;
    '--unshare-net '*) shift; continue;;
  esac
  words+=("$1") last=$1
  shift
done
exec ${real} "\${words[@]}"
`;
  writeFileSync(weak, script);
  for (const file of [real, weak]) chmodSync(file, 0o755);
  return weak;
}
