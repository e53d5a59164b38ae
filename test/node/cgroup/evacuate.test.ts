/**
 * Many wrappers at once in one delegated v2 group that holds them all: each evacuates it, makes its groups and restores it. Any controller
 * that is left to v2 serves for that.
 */

import {chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {spawn} from 'node:child_process';
import {expect} from 'chai';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {ending, installed, isRoot, until} from '../../support/tare.js';

const NOBODY = 65534;
const WRAPPERS = 100;

/** Where v2 is mounted, and one of its controllers. */
function findV2(): {mount: string; controller: string} | null {
  for (const mount of ['/sys/fs/cgroup', '/sys/fs/cgroup/unified']) {
    const file = join(mount, 'cgroup.controllers');
    const [controller] = existsSync(file) ? readFileSync(file, 'utf8').split(/\s+/) : [];
    if (controller !== undefined && controller !== '') return {mount, controller};
  }
  return null;
}

/** What a wrapper does in its group, and nothing else of it. */
const WRAPPER = `
  const [manager, directory, id, controller, least, most] = process.argv.slice(1);
  const {createGroups, removeGroups, restoreGroup} = await import(manager);
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const because = 'test', controllers = [controller], box = directory + '/tare-{id}';
  const steps = [
    {op: 'cgroup.evacuate', directory, into: directory + '/tare-caller', because},
    {op: 'cgroup.enable', directory, controllers, because},
    {op: 'cgroup.create', group: 'box', version: 2, controllers, directory: box, because},
    {op: 'cgroup.enable', directory: box, controllers, because},
    {op: 'cgroup.create', group: 'payload', version: 2, controllers, directory: box + '/payload', because},
  ];
  createGroups(steps, id);
  await sleep(Number(least) + Math.random() * Number(most));
  const {readFileSync} = await import('node:fs');
  const inside = readFileSync(directory + '/tare-' + id + '/payload/cgroup.controllers', 'utf8').trim();
  const left = await removeGroups(directory + '/tare-' + id);
  restoreGroup(steps[0]);
  console.log(inside === controller && left.length === 0 ? 'good' : JSON.stringify({inside, left}));
`;

describe('wrappers that evacuate their group', function () {
  this.timeout(patience(300_000));
  const v2 = findV2();
  let wasOn = true;
  const directory = join(v2?.mount ?? '', `test-aside-${String(process.pid)}`);

  before(function () {
    need(this, isRoot && v2 !== null, 'only root can delegate groups, and this needs a v2 hierarchy with a controller');
    const switches = join(v2?.mount ?? '', 'cgroup.subtree_control');
    wasOn = readFileSync(switches, 'utf8')
      .split(/\s+/)
      .includes(v2?.controller ?? '');
    writeFileSync(switches, `+${v2?.controller ?? ''}`);
    mkdirSync(directory);
    for (const file of ['', 'cgroup.procs', 'cgroup.subtree_control']) chownSync(join(directory, file), NOBODY, NOBODY);
  });
  after(() => {
    if (!existsSync(directory)) return;
    rmdirSync(directory);
    if (!wasOn) writeFileSync(join(v2?.mount ?? '', 'cgroup.subtree_control'), `-${v2?.controller ?? ''}`);
  });

  /** All are started by one shell in the group, and go on for between `least` and `least + most` ms. */
  async function run(least: number, most: number, pauseS: number): Promise<void> {
    const lines = await wrappers(WRAPPERS, {least, most, pauseS});
    expect(lines.filter((line) => line === 'good')).to.have.length(WRAPPERS);
    expect(lines.at(-1)).to.equal(`0::/test-aside-${String(process.pid)}`);
    // where another wrapper's process took long to end, the leaf is left to the next one that comes
    expect(await wrappers(1, {least: 0, most: 0, pauseS: 0})).to.include('good');
    await until('the group to be as it was', () => readdirSync(directory, {withFileTypes: true}).every((entry) => !entry.isDirectory()));
    expect(readFileSync(join(directory, 'cgroup.subtree_control'), 'utf8').trim()).to.equal('');
  }

  interface Pace {
    least: number;
    most: number;
    pauseS: number;
  }

  /** What they print, and then the group that their shell is in. */
  async function wrappers(count: number, {least, most, pauseS}: Pace): Promise<string[]> {
    const manager = join(installed(), 'build/src/cgroup/manager.js');
    const wait = pauseS > 0 ? `sleep ${String(pauseS)};` : '';
    const script = `i=0; while [ $i -lt ${String(count)} ]; do i=$((i+1))
      node --input-type=module -e "$0" "$1" "$2" "$3" "$4" "$5" "$6" & ${wait} shift 6
    done; wait; cat /proc/self/cgroup`;
    const calls = Array.from({length: count}, (_, index) => [
      manager,
      directory,
      (0xabc0000 + index).toString(16),
      v2?.controller ?? '',
      String(least),
      String(most),
    ]);
    const become = ['setpriv', `--reuid=${String(NOBODY)}`, `--regid=${String(NOBODY)}`, '--clear-groups'];
    const enter = 'echo $$ >"$0/cgroup.procs" && exec "$@"';
    const {stdout, stderr} = await ending(
      spawn('/bin/sh', ['-c', enter, directory, ...become, '/bin/sh', '-c', script, WRAPPER, ...calls.flat()], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {PATH: process.env.PATH},
      }),
    );
    expect(stderr).to.equal('');
    return stdout
      .trim()
      .split('\n')
      .filter((line) => line === 'good' || line.startsWith('{') || line.startsWith('0::'));
  }

  it(`${String(WRAPPERS)} at once`, () => run(200, 200, 0));

  it(`${String(WRAPPERS)} one after the other, each as short as can be: one comes while another goes`, () => run(0, 5, 0.01));
});
