/** What a payload has of the caller's terminal: one of the box's own. native/test/terminals.py has modes, keys and ends. script(1) is the caller's. */
import {spawn, type ChildProcess} from 'node:child_process';
import {chmodSync, existsSync, mkdirSync, openSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {readState} from '../../../src/box/state-read.js';
import {describeSite} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {bin, ending, isRoot, payload, processes, program, Site, until} from '../../support/tare.js';

describeSite('terminals, %s', {each: true, mayLeave: true, timeout: patience(30_000)}, (site, role) => {
  before(function () {
    need(this, program('script') !== null, 'there is no script(1)');
  });

  /** A shell's commands on a terminal. */
  const onTerminal = (commands: string, of: Site = site): ChildProcess => {
    const file = join(site.directory, 'commands');
    writeFileSync(file, commands);
    chmodSync(file, 0o644);
    return spawn(program('script') ?? '', ['-qec', `/bin/sh ${file}`, '/dev/null'], {
      ...of.credentials,
      cwd: '/',
      env: {PATH: '/usr/bin:/bin', SHELL: '/bin/sh', TERM: 'dumb'},
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  };
  /** A live box whose payload has no terminal. */
  const begin = async (policy: string): Promise<{id: string; end: () => Promise<void>}> => {
    const nowhere = openSync('/dev/null', 'w');
    mkdirSync(join(site.directory, 'state/boxes'), {mode: 0o700});
    site.give(join(site.directory, 'state/boxes'));
    const job = site.start(['run', '--policy', policy, '--', 'sleep', '600.71'], {stdio: ['ignore', nowhere, nowhere]});
    // before it can have ended
    const over = ending(job);
    const boxes = join(site.directory, 'state/boxes');
    const isRunning = (name: string): boolean => {
      return readState(join(boxes, name)).payload !== null;
    };
    const id = await until('a payload', () =>
      readdirSync(boxes).find((name) => existsSync(join(boxes, name, 'box.json')) && isRunning(name)),
    );
    return {
      id,
      end: async () => {
        await site.command(['kill', id, '--policy', policy]);
        await over;
        expect(readdirSync(boxes)).to.deep.equal([]);
      },
    };
  };
  /** What waits to be read on the caller's terminal afterwards. */
  const LEFT = 'stty -icanon -echo min 0 time 3; echo "left: <$(dd bs=100 count=1 2>/dev/null)>"';

  it('nothing is typed into the caller’s, also without a filter on system calls: by tare run, and by tare exec of the owner and of root', async () => {
    const policy = site.policy({seccomp: 'unconfined'});
    const {id, end} = await begin(policy);
    const types = `${payload('calls')} --terminal`;
    const callers = isRoot && role === 'user' ? [site, new Site('root')] : [site];
    for (const caller of callers) {
      const {stdout} = await ending(onTerminal(`${bin('tare')} exec ${id} --policy ${policy} -- ${types}\n${LEFT}\n`, caller));
      expect(stdout)
        .to.match(/TIOCSTI \w+\r$/m)
        .and.include('left: <>');
      if (caller !== site) caller.remove();
    }
    await end();
    const {stdout} = await ending(onTerminal(`${bin('tare')} run --policy ${policy} -- ${types}\n${LEFT}\n`));
    expect(stdout)
      .to.match(/TIOCSTI \w+\r$/m)
      .and.include('left: <>');
  });

  it('it is of the box’s own /dev/pts, with the caller’s modes and size, and a shell there has job control', async () => {
    const policy = site.policy();
    const {id, end} = await begin(policy);
    writeFileSync(join(site.directory, 'modes'), '');
    chmodSync(join(site.directory, 'modes'), 0o666);
    const before = 'stty rows 33 cols 99 erase %; stty -a >&2';
    const terminal = onTerminal(
      `exec 2>${join(site.directory, 'modes')}; ${before}; ${bin('tare')} exec ${id} --policy ${policy} -- sh -i 2>&1; echo "code $?"; stty -a >&2\n`,
    );
    let text = '';
    terminal.stdout?.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    const ended = ending(terminal);
    const shows = (pattern: RegExp): Promise<unknown> =>
      until(String(pattern), () => pattern.test(text), 20).catch((error: unknown) =>
        expect.fail(`${String(error)}: ${JSON.stringify(text)}`),
      );
    const type = (command: string, answer: RegExp): Promise<unknown> => {
      terminal.stdin?.write(`${command}\n`);
      return shows(answer);
    };
    await shows(/[$#] $/);
    await type('tty; ls /dev/pts; stty size', /\/dev\/pts\/0\r\n.*0\s+ptmx\r\n33 99\r\n/s);
    await type('stty -a', /erase = %;/);
    await type('sleep 500.37; echo interrupted-$?', /echo interrupted/);
    await until('the command', () => processes().some(({argv}) => argv[0] === 'sleep' && argv[1] === '500.37'), 20);
    terminal.stdin?.write('\u0003');
    await type('echo ne""xt', /next\r\n/);
    terminal.stdin?.write('exit 5\n');
    await ended;
    expect(text).to.not.match(/job control|can't access/);
    expect(text).to.match(/code 5\r\n$/);
    await end();
  });
});
