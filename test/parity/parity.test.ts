/**
 * The same jobs and commands under Node.js (the checkout) and compiled (the folder for worker nodes), both at once: how they end, what they
 * print, their plans and records are compared field by field, but for the volatile fields that compare.ts names.
 */

import {spawn} from 'node:child_process';
import {chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {UsageRecord} from '../../src/record/record.js';
import {describeSite} from '../support/describe-site.js';
import {LONG, need} from '../support/need.js';
import {patience} from '../support/pace.js';
import {ending, installed, isRoot, ROLES, type Role, type Site} from '../support/tare.js';
import {ADS, CASES, type Case} from './cases.js';
import {compareDocuments, withoutNumbers, type Difference} from './compare.js';

const SUPERVISORS = {checkout: 'bin', folder: 'dist/tare/bin'} as const;
type Supervisor = keyof typeof SUPERVISORS;
/** What each supervisor calls itself. */
const NAMES: Readonly<Record<Supervisor, readonly string[]>> = {
  checkout: ['native/build/', 'bin/'],
  folder: ['dist/tare/libexec/', 'dist/tare/bin/'],
};
const NOBODY = 65534;

/** In a mount namespace of its own: $1 stands for /var/lib, $2 for /var/tmp, $3 the account, or 0. */
const ENTER = `
set -e
mount --make-rprivate /
mount --bind "$1" /var/lib
mount --bind "$2" /var/tmp
account=$3
shift 3
[ "$account" = 0 ] || exec setpriv --reuid "$account" --regid "$account" --clear-groups "$@"
exec "$@"
`;

interface Said {
  ends: number | NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  record: UsageRecord | null;
}

/** One place for both supervisors: what they say of it is the same. */
class Both {
  readonly site: Site;
  private count = 0;

  constructor(site: Site) {
    this.site = site;
    for (const [name, text] of Object.entries(ADS)) {
      writeFileSync(join(this.site.work, name), text);
      this.site.give(join(this.site.work, name));
    }
  }

  async say(one: Case): Promise<Record<Supervisor, Said>> {
    const called = one.call(this.site);
    const policy = called.policyFile ?? this.site.policy(called.policy);
    const [checkout, folder] = await Promise.all([this.ask('checkout', one, called, policy), this.ask('folder', one, called, policy)]);
    return {checkout, folder};
  }

  private async ask(supervisor: Supervisor, one: Case, {argv, env, input = ''}: ReturnType<Case['call']>, policy: string): Promise<Said> {
    const {work, directory, credentials} = this.site;
    const place = join(directory, `${supervisor}-${String(this.count++)}`);
    const tools = join(installed(), SUPERVISORS[supervisor]);
    const variables = Object.entries(env ?? {PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8'});
    const options = {
      cwd: work,
      env: Object.fromEntries(variables.map(([name, value]) => [name, value?.replaceAll('{work}', work)])),
    };
    const copy = join(directory, 'spool', `${supervisor}-${String(this.count)}.copy`);
    const words = one.kind === 'run' ? ['run', '--policy', policy, '--record', copy, ...argv] : argv;
    const child =
      one.kind === 'wrap'
        ? spawn(
            '/usr/bin/unshare',
            ['--mount', '/bin/sh', '-c', ENTER, 'sh', ...this.places(place), join(tools, 'tare-wrap'), ...argv],
            options,
          )
        : spawn(join(tools, 'tare'), words, {...options, ...credentials});
    child.stdin.end(input);
    const {code, signal, stdout, stderr} = await ending(child);
    const record = one.kind === 'wrap' ? this.recordOf(place) : existsSync(copy) ? readFileSync(copy, 'utf8') : null;
    rmSync(copy, {force: true});
    return {
      ends: signal ?? code,
      stdout: this.neutral(supervisor, stdout),
      stderr: this.neutral(supervisor, stderr),
      record: record === null ? null : (JSON.parse(this.neutral(supervisor, record)) as UsageRecord),
    };
  }

  /** /var/lib, /var/tmp and the account of a tare-wrap, whose policy is the built-in one. */
  private places(place: string): string[] {
    for (const name of ['lib', 'tmp']) mkdirSync(join(place, name), {recursive: true});
    chmodSync(place, 0o755);
    chmodSync(join(place, 'tmp'), 0o1777);
    return [join(place, 'lib'), join(place, 'tmp'), String(this.site.role === 'root' ? 0 : NOBODY)];
  }

  private recordOf(place: string): string | null {
    const spool = join(place, this.site.role === 'root' ? 'lib/tare/spool' : `tmp/tare-${String(NOBODY)}/spool`);
    const [name] = existsSync(spool) ? readdirSync(spool) : [];
    return name === undefined ? null : readFileSync(join(spool, name), 'utf8');
  }

  private neutral(supervisor: Supervisor, text: string): string {
    let same = text;
    for (const name of NAMES[supervisor]) same = same.replaceAll(join(installed(), name), '{tare}');
    return same.replaceAll(/(#|tare-|boxes\/)[0-9a-f]{16}\b/g, '$1{id}');
  }
}

function differences(one: Case, {checkout, folder}: Record<Supervisor, Said>): Difference[] {
  const found: Difference[] = [];
  const same = (field: string, left: unknown, right: unknown): void => {
    if (left !== right) found.push({field, checkout: left, folder: right});
  };
  const text = (said: string): string => (one.measured === true ? withoutNumbers(said) : said);
  same('end', checkout.ends, folder.ends);
  same('standard error', text(checkout.stderr), text(folder.stderr));
  if (one.stdout === undefined) same('standard output', text(checkout.stdout), text(folder.stdout));
  else found.push(...compareDocuments(one.stdout, JSON.parse(checkout.stdout), JSON.parse(folder.stdout)));
  found.push(...compareDocuments('record', checkout.record, folder.record));
  return found;
}

describe('the comparison', () => {
  it('finds a field that differs, one that is missing and one of another kind, and nothing else', () => {
    const record = {recordId: 'a', usage: {cpuUserUs: 5, oomKills: 0}, user: {local: 'alice'}, flags: [], outcome: {evidence: '12 of 10'}};
    expect(
      compareDocuments('record', record, {...record, recordId: 'b', usage: {cpuUserUs: 7, oomKills: 0}, outcome: {evidence: '11 of 10'}}),
    ).to.deep.equal([]);
    const other = {...record, usage: {cpuUserUs: null, oomKills: 0}, user: {local: 'unknown'}, flags: ['x'], outcome: {}};
    expect(compareDocuments('record', record, other)).to.deep.equal([
      {field: 'flags', checkout: '[]', folder: undefined},
      {field: 'flags.0', checkout: undefined, folder: 'x'},
      {field: 'outcome', checkout: undefined, folder: '{}'},
      {field: 'outcome.evidence', checkout: '12 of 10', folder: undefined},
      {field: 'usage.cpuUserUs', checkout: 5, folder: null},
      {field: 'user.local', checkout: 'alice', folder: 'unknown'},
    ]);
  });
});

/**
 * Who tries a case. What runtimes do otherwise than each other does not follow from the account: where nothing is said, each of the two has every
 * second case, and in a long run both have all, which takes twice the time.
 */
function rolesOf({role: only}: Case, index: number): readonly Role[] {
  if (only !== undefined) return [only];
  return LONG ? ROLES : ROLES.slice(index % ROLES.length).slice(0, 1);
}

describeSite('both supervisors, %s', {mayLeave: true, timeout: patience(20) * 1000}, (site, role) => {
  let both: Both;
  before(function () {
    for (const folder of Object.values(SUPERVISORS)) need(this, existsSync(join(installed(), folder, 'tare')), `${folder} is not built`);
    both = new Both(site);
  });

  for (const one of CASES.filter((each, index) => rolesOf(each, index).includes(role))) {
    it(one.name, async function () {
      const obstacle = one.obstacle?.() ?? null;
      need(this, obstacle === null, obstacle ?? '');
      need(
        this,
        one.kind !== 'wrap' || (isRoot && !existsSync('/etc/tare/policy.yaml')),
        'tare-wrap’s places are covered by root only, and not a site’s own policy',
      );
      const said = await both.say(one);
      const lines = differences(one, said).map(
        ({field, checkout, folder}) => `${field}: checkout ${JSON.stringify(checkout)}, folder ${JSON.stringify(folder)}`,
      );
      expect(lines, 'differences').to.deep.equal([]);
      expect(said.checkout.ends, said.checkout.stderr).to.equal(one.ends);
    });
  }

  it('nothing is left', () => {
    expect(site.leftovers()).to.deep.equal([]);
  });
});
