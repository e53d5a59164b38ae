/** Whose job it is: by the node's name service, in the checkout and in the folder alike, whatever the environment says. */

import {chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {UsageRecord} from '../../../src/record/record.js';
import {describeSite} from '../../support/describe-site.js';
import {SUPERVISORS, EXTRAUSERS, hasHesiod, NameService, type Supervisor} from '../../support/name-service.js';
import {LONG, need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {ending, isRoot} from '../../support/tare.js';

/** Known to a source of the name service only. */
const MEMBER = {name: 'tare-member', uid: 71_234, group: 71_250};
/** No source knows it. */
const STRANGER = 71_299;
/** Known to the test's own module. */
const REMOTE = {name: 'tare-remote', uid: 71_301};

const ROWS = {
  passwd: `${MEMBER.name}:x:${MEMBER.uid}:${MEMBER.uid}::/home/of-member:/bin/sh\n`,
  group: `${MEMBER.name}:x:${MEMBER.uid}:\ntare-more:x:${MEMBER.group}:${MEMBER.name}\n`,
};

const refuse = (...user: string[]): object => ({rules: [{name: 'users', match: {user}, refuse: 'not these'}]});

for (const supervisor of Object.keys(SUPERVISORS) as Supervisor[]) {
  describeSite(`accounts, ${supervisor}`, {roles: ['user'], each: true, mayLeave: true, timeout: patience(60) * 1000}, (site) => {
    let count = 0;
    before(function () {
      need(this, isRoot, 'only root can give a node another name service, in a mount namespace of its own');
      need(this, existsSync(join(SUPERVISORS[supervisor], 'tare')), `${SUPERVISORS[supervisor]} is not built`);
    });

    interface Done {
      code: number | null;
      stdout: string;
      stderr: string;
      record: UsageRecord | null;
      ms: number;
      /** The state directory. */
      state: string;
    }

    /** `tare run` of one account on a node with this name service; state and spool are the account's. */
    async function run(
      service: NameService,
      uid: number,
      policy: object,
      argv: readonly string[],
      {env, state: given}: {env?: NodeJS.ProcessEnv; state?: string} = {},
    ): Promise<Done> {
      const place = join(site.directory, `account-${String(count++)}`);
      const state = given ?? join(place, 'state');
      for (const path of [place, join(place, 'work'), join(place, 'spool'), join(place, 'scratch'), state]) {
        mkdirSync(path, {recursive: true});
        chmodSync(path, 0o755);
        if (path !== place) chownSync(path, uid, uid);
      }
      const recordFile = join(place, 'spool/copy.json');
      const file = site.policy({directories: {state, spool: join(place, 'spool'), scratch: join(place, 'scratch')}, ...policy});
      const began = performance.now();
      const words = [join(SUPERVISORS[supervisor], 'tare'), 'run', '--policy', file, '--record', recordFile, ...argv];
      const {code, stdout, stderr} = await ending(
        service.start(uid, words, {cwd: join(place, 'work'), ...(env === undefined ? {} : {env})}),
      );
      const ms = performance.now() - began;
      const record = existsSync(recordFile) ? (JSON.parse(readFileSync(recordFile, 'utf8')) as UsageRecord) : null;
      return {code, stdout, stderr, record, ms, state};
    }

    const TRUE = ['--', '/bin/true'];

    describe('that only a module of the name service knows', () => {
      let service: NameService;
      before(function () {
        need(this, existsSync(EXTRAUSERS), 'libnss-extrausers is not installed');
      });
      beforeEach(() => {
        service = new NameService(site, 'files extrausers', ROWS, null);
      });

      it('have their name in the record, and rules on it hold, whatever USER says', async () => {
        const free = await run(service, MEMBER.uid, {}, TRUE);
        expect([free.code, free.record?.user.local, free.record?.user.uid], free.stderr).to.deep.equal([0, MEMBER.name, MEMBER.uid]);
        const refused = await run(service, MEMBER.uid, refuse(MEMBER.name), TRUE);
        expect([refused.code, refused.record?.outcome.code, refused.record?.user.local]).to.deep.equal([
          126,
          'POLICY_REFUSED',
          MEMBER.name,
        ]);
        for (const other of ['unknown', 'root', 'daemon']) {
          const {code, stderr} = await run(service, MEMBER.uid, refuse(other), TRUE);
          expect(code, `${other}: ${stderr}`).to.equal(0);
        }
      });

      it('are become by root with all their groups and their home', async () => {
        // a namespace of users has but one group
        const argv = [
          '--user',
          MEMBER.name,
          '--',
          '/bin/sh',
          '-c',
          'grep Groups: /proc/self/status; id -u; id -g; echo $HOME $USER $LOGNAME',
        ];
        const {code, stdout, stderr, record} = await run(service, 0, {mode: 'observe'}, argv);
        const said = `${MEMBER.uid}\n${MEMBER.uid}\n/home/of-member ${MEMBER.name} ${MEMBER.name}\n`;
        expect([code, stdout, record?.user.local], stderr).to.deep.equal([
          0,
          `Groups:\t${MEMBER.uid} ${MEMBER.group} \n${said}`,
          MEMBER.name,
        ]);
      });

      it('are asked for once an hour, and a cache that the account can write answers no rule', async () => {
        const first = await run(service, MEMBER.uid, {}, TRUE); // makes the state directory
        const cache = join(first.state, 'accounts.json');
        const again = (policy: object): Promise<Done> => run(service, MEMBER.uid, policy, TRUE, {state: first.state});
        if (!existsSync(cache)) await again({});
        const kept = JSON.parse(readFileSync(cache, 'utf8')) as {entries: Record<string, {name: string; at: number}>};
        expect(kept.entries[String(MEMBER.uid)]?.name).to.equal(MEMBER.name);
        expect(statSync(cache).uid).to.equal(MEMBER.uid);
        const forge = (name: string, at: number): void => {
          kept.entries[String(MEMBER.uid)] = {...kept.entries[String(MEMBER.uid)], name, at};
          rmSync(cache);
          writeFileSync(cache, JSON.stringify(kept));
          chownSync(cache, MEMBER.uid, MEMBER.uid);
        };
        forge('somebody-else', Date.now() - 1000);
        // believed where nothing depends on it: this shows that the file is read
        expect((await again({})).record?.user.local).to.equal('somebody-else');
        forge('somebody-else', Date.now() - 1000);
        const ruled = await again(refuse(MEMBER.name));
        expect([ruled.code, ruled.record?.user.local], ruled.stderr).to.deep.equal([126, MEMBER.name]);
        forge('somebody-else', Date.now() - 3_601_000);
        expect((await again({})).record?.user.local, 'older than an hour').to.equal(MEMBER.name);
        forge('somebody-else', Date.now() + 60_000);
        expect((await again({})).record?.user.local, 'of the future').to.equal(MEMBER.name);
      });

      it('root’s cache answers for its jobs without a process, and for rules', async () => {
        const argv = ['--user', MEMBER.name, ...TRUE];
        const {state, code, stderr} = await run(service, 0, refuse('nobody-at-all'), argv);
        expect(code, stderr).to.equal(0);
        const cache = join(state, 'accounts.json');
        if (!existsSync(cache)) await run(service, 0, {}, argv, {state});
        const kept = JSON.parse(readFileSync(cache, 'utf8')) as {entries: Record<string, {home: string}>};
        expect(Object.keys(kept.entries)).to.deep.equal([MEMBER.name]);
        kept.entries[MEMBER.name] = {...kept.entries[MEMBER.name], home: '/home/as-cached'};
        writeFileSync(cache, JSON.stringify(kept));
        const {stdout} = await run(service, 0, refuse('nobody-at-all'), ['--user', MEMBER.name, '--', '/bin/sh', '-c', 'echo $HOME'], {
          state,
        });
        expect(stdout).to.equal('/home/as-cached\n');
      });
    });

    describe('that nobody knows', () => {
      const env = {PATH: '/usr/sbin:/usr/bin:/sbin:/bin'};
      let service: NameService;
      beforeEach(() => {
        service = new NameService(site, 'files', ROWS, null);
      });

      it('run without HOME, by `tare run` too; no rule on users fits them, and nothing is kept of it', async () => {
        for (const policy of [{}, refuse('*'), refuse('unknown')]) {
          const {code, stderr, record, state} = await run(service, STRANGER, policy, TRUE, {env});
          expect([code, stderr, record?.user.local, record?.user.uid]).to.deep.equal([0, '', null, STRANGER]);
          expect(existsSync(join(state, 'accounts.json'))).to.equal(false);
        }
      });

      it('have every command of the command line', async () => {
        const file = site.policy();
        for (const argv of [['ps'], ['records', 'list'], ['records', 'sweep'], ['plan', ...TRUE], ['schema'], ['validate', file]]) {
          const policy = ['schema', 'validate'].includes(argv[0] ?? '') ? [] : ['--policy', file];
          const [command = '', ...rest] = argv;
          const words = command === 'records' ? [command, rest[0] ?? '', ...policy] : [command, ...policy, ...rest];
          const {stderr} = await ending(service.start(STRANGER, [join(SUPERVISORS[supervisor], 'tare'), ...words], {cwd: '/', env}));
          expect(stderr, words.join(' ')).not.to.match(/ENOENT|homedir|\n\s+at /);
        }
        const {code, stderr} = await ending(
          service.start(STRANGER, [join(SUPERVISORS[supervisor], 'tare'), 'doctor', '--json'], {cwd: '/', env}),
        );
        expect(code, stderr).to.be.oneOf([0, 1]);
      });

      it('are swept by root', async () => {
        const states = join(site.directory, 'states');
        const own = join(states, String(STRANGER));
        for (const path of [states, own]) mkdirSync(path);
        chownSync(own, STRANGER, STRANGER);
        const file = site.policy({directories: {state: `${states}/%u`, spool: `${states}/%u/spool`, scratch: `${states}/%u/scratch`}});
        const argv = [join(SUPERVISORS[supervisor], 'tare'), 'records', 'sweep', '--json', '--policy', file];
        const {code, stdout, stderr} = await ending(service.start(0, argv, {cwd: '/', env}));
        expect([code, JSON.parse(stdout), stderr]).to.deep.equal([0, [], '']);
      });

      it('can own the work directory of root’s job, which then runs with that uid, in the group of nobody', async () => {
        const place = join(site.directory, 'strangers');
        mkdirSync(place);
        chownSync(place, STRANGER, 0);
        const argv = ['--', '/bin/sh', '-c', 'id -u; id -G; echo "$HOME,$USER,$LOGNAME"'];
        for (const name of ['state', 'spool', 'scratch']) chownSync(join(site.directory, name), 0, 0);
        const words = [join(SUPERVISORS[supervisor], 'tare'), 'run', '--policy', site.policy(refuse('root')), ...argv];
        const {code, stdout, stderr} = await ending(service.start(0, words, {cwd: place}));
        expect([code, stdout], stderr).to.deep.equal([0, `${STRANGER}\n65534\n${place},,\n`]);
      });
    });

    describe('of a name service that does not answer', () => {
      let service: NameService;
      before(function () {
        need(this, hasHesiod, 'the C library has no module that the test’s own could take the place of');
      });
      beforeEach(() => {
        service = new NameService(site, 'files hesiod', ROWS, REMOTE);
      });
      const LATEST_MS = patience(1) * 13_000;

      it('are known while it answers', async () => {
        const {code, record, stderr} = await run(service, REMOTE.uid, refuse(REMOTE.name), TRUE);
        expect([code, record?.user.local], stderr).to.deep.equal([126, REMOTE.name]);
      });

      it('fail by the node’s fault where rules name users, run nameless where none does, and are known as soon as it is back', async () => {
        service.say('silent');
        const [ruled, free] = await Promise.all([run(service, REMOTE.uid, refuse(REMOTE.name), TRUE), run(service, REMOTE.uid, {}, TRUE)]);
        expect([ruled.code, ruled.record?.outcome.code, ruled.record?.user.local], ruled.stderr).to.deep.equal([
          125,
          'NAME_SERVICE_SILENT',
          null,
        ]);
        expect(ruled.stderr)
          .to.match(/getent passwd gave no answer within/)
          .and.to.include(`uid ${REMOTE.uid}`);
        expect([free.code, free.record?.user.local], free.stderr).to.deep.equal([0, null]);
        for (const {ms, state} of [ruled, free]) {
          expect(ms).to.be.below(LATEST_MS);
          expect(existsSync(join(state, 'accounts.json')), 'a silence is not kept').to.equal(false);
        }
        const during = run(service, REMOTE.uid, refuse(REMOTE.name), TRUE);
        setTimeout(() => {
          service.say('up');
        }, 4000);
        const {code, record, stderr} = await during;
        expect([code, record?.user.local], stderr).to.deep.equal([126, REMOTE.name]);
      });

      it('are not taken for accounts that do not exist, of which getent says the same', async () => {
        service.say('down');
        const [ruled, free, become] = await Promise.all([
          run(service, REMOTE.uid, refuse(REMOTE.name), TRUE),
          run(service, REMOTE.uid, {}, TRUE),
          run(service, 0, {}, ['--user', REMOTE.name, ...TRUE]),
        ]);
        expect([ruled.code, ruled.record?.outcome.code], ruled.stderr).to.deep.equal([125, 'NAME_SERVICE_SILENT']);
        expect(ruled.stderr).to.include('the source "hesiod" of passwd in /etc/nsswitch.conf is not available');
        expect([free.code, free.record?.user.local], free.stderr).to.deep.equal([0, null]);
        expect([become.code, become.record?.outcome.code], become.stderr).to.deep.equal([125, 'NAME_SERVICE_SILENT']);
        service.say('up');
        const stranger = await run(service, STRANGER, refuse('*'), TRUE);
        expect([stranger.code, stranger.record?.user.local], stranger.stderr).to.deep.equal([0, null]);
      });

      it('do not matter to accounts of /etc/passwd', async () => {
        service.say('silent');
        const {code, record, ms, stderr} = await run(service, 1, refuse('daemon'), TRUE);
        expect([code, record?.user.local], stderr).to.deep.equal([126, 'daemon']);
        expect(ms).to.be.below(patience(1) * 5000);
      });

      // 70 s
      if (LONG)
        it('for a minute, with a job every ten seconds: none escapes its rule, and the first after it runs into it', async function () {
          this.timeout(patience(120) * 1000);
          service.say('silent');
          for (const end = performance.now() + 60_000; performance.now() < end;) {
            const {code, record, stderr} = await run(service, REMOTE.uid, refuse(REMOTE.name), TRUE);
            expect([code, record?.outcome.code], stderr).to.deep.equal([125, 'NAME_SERVICE_SILENT']);
          }
          service.say('up');
          const {code, record, stderr} = await run(service, REMOTE.uid, refuse(REMOTE.name), TRUE);
          expect([code, record?.user.local], stderr).to.deep.equal([126, REMOTE.name]);
        });
    });
  });
}
