/** What is shown on a terminal: the line of `tare run`, the screen of `tare top`. script(1) is the terminal. */
import {spawn, type ChildProcess} from 'node:child_process';
import {openSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {describeSite} from '../support/describe-site.js';
import {writeSlowLayout} from '../support/images.js';
import {need} from '../support/need.js';
import {bin, ending, processes, program, ROLES, send, until} from '../support/tare.js';

const DRAWN = /\r\u001B\[\?7ltare: 1s, [\d.]+ CPUs, memory [\d.]+ \w+ of 200 MiB\u001B\[K\u001B\[\?7h/;
const ERASED = '\r\u001B[K';
const ENTER = '\u001B[?1049h\u001B[?25l';
const LEAVE = '\u001B[?25h\u001B[?1049l';

describeSite('on a terminal, %s', {roles: ROLES.slice(-1), mayLeave: true, timeout: 30_000}, (site) => {
  before(function () {
    need(this, program('script') !== null, 'there is no script(1)');
  });

  /** A shell command line on a terminal of 24 lines of 120. */
  const onTerminal = (command: string, env: Record<string, string> = {TERM: 'xterm'}): ChildProcess =>
    spawn(program('script') ?? '', ['-qec', `stty rows 24 cols 120; ${command}`, '/dev/null'], {
      ...site.credentials,
      cwd: site.work,
      env: {PATH: '/usr/bin:/bin', SHELL: '/bin/sh', ...env},
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  /** What came on the terminal of `tare run` around a script of 1.6 seconds. */
  const shown = async (script: string, flags = '', env?: Record<string, string>): Promise<string> => {
    const run = `${bin('tare')} run --memory 200MiB ${flags} --policy ${site.policy()} -- sh -c '${script}'`;
    const {code, stdout, stderr} = await ending(onTerminal(run, env));
    expect(code, stdout + stderr).to.equal(0);
    return stdout;
  };

  it('tare run: one line where nothing in the box has the terminal for output, erased at the end', async () => {
    const [silent, always, ...without] = await Promise.all([
      shown('exec >/dev/null 2>&1; sleep 1.6'),
      shown('sleep 1.6', '--progress always'),
      shown('exec >/dev/null 2>&1; sleep 1.6', '--progress never'),
      shown('exec >/dev/null 2>&1; sleep 1.6', '', {TERM: 'dumb'}),
    ]);
    for (const text of [silent, always]) {
      expect(text).to.match(DRAWN);
      expect(text.endsWith(ERASED), JSON.stringify(text)).to.equal(true);
    }
    expect(without).to.deep.equal(['', '']);
  });

  it('tare run: what the payload writes is never mixed with it, on whichever descriptor it has the terminal', async () => {
    const texts = await Promise.all([
      shown('printf one; sleep 1.6; echo two'),
      shown('exec >/dev/null; sleep 1.6; echo two >&2'),
      shown('exec 7>&1 >/dev/null 2>&1; sleep 1.6; echo two >&7'),
      shown('exec >/dev/null 2>&1; (exec >/dev/tty; sleep 1.6; echo two)'),
    ]);
    expect(texts).to.deep.equal(['onetwo\r\n', 'two\r\n', 'two\r\n', 'two\r\n']);
  });

  it('tare run: how far an image is unpacked, and Ctrl-C ends that', async function () {
    need(this, program('zstd') !== null, 'zstd is needed');
    this.timeout(120_000); // the image takes its time to be made
    const image = join(site.directory, 'slow');
    writeSlowLayout(image);
    const policy = site.policy({images: [image]});
    const terminal = onTerminal(`${bin('tare')} run --policy ${policy} --image ${image} -- /bin/true`);
    let text = '';
    terminal.stdout?.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    const ended = ending(terminal);
    const line = /\r\u001B\[\?7ltare: \d+s, unpacking \S+\/slow: [\d.]+ \w+ of [\d.]+ \w+ \(\d+%\)\u001B\[K\u001B\[\?7h/;
    await until('the line', () => line.test(text), 20);
    terminal.stdin?.write('\u0003');
    await ended;
    expect(text).to.contain(`${ERASED}tare: SIGINT came while the image was unpacked; found: ${image}`);
    // sync(1), when it was under way, was killed, and ends when the kernel has written what it had begun
    await until('nothing to be left', () => site.leftovers().length === 0, 60);
  });

  it('tare top: a screen of its own, and the terminal as it was, by key and by signal', async () => {
    const policy = site.policy();
    const job = site.start(['run', '--policy', policy, '--name', 'busy', '--', 'sh', '-c', 'while :; do :; done'], {
      stdio: ['ignore', openSync('/dev/null', 'w'), openSync('/dev/null', 'w')],
    });
    try {
      const over = (by: (terminal: ChildProcess) => void): Promise<string> => {
        const terminal = onTerminal(`${bin('tare')} top --policy ${policy} --interval 300ms; echo "status $?"; stty -a`);
        let text = '';
        terminal.stdout?.setEncoding('utf8').on('data', (piece: string) => {
          text += piece;
        });
        const ended = ending(terminal);
        return until('two looks with the job', () => text.split(/busy .* running/).length > 2, 15)
          .then(() => {
            by(terminal);
            return ended;
          })
          .then(({stdout}) => stdout);
      };
      for (const by of [
        (terminal: ChildProcess): void => {
          terminal.stdin?.write('q');
        },
        (): void => {
          for (const {pid, argv} of processes())
            if (argv.includes('top') && argv.includes(policy) && argv[0] !== 'script') send(pid, 'SIGTERM');
        },
      ]) {
        const text = await over(by);
        expect(text.startsWith(ENTER), JSON.stringify(text.slice(0, 80))).to.equal(true);
        const [screen = '', rest = ''] = text.split(LEAVE);
        expect(screen)
          .to.match(/%CPU/)
          .and.match(/1 job, [\d.]+ CPUs/);
        expect(rest)
          .to.match(/^status 0\r\n/)
          .and.match(/ icanon /)
          .and.match(/ echo /);
      }
    } finally {
      job.kill('SIGKILL');
      await ending(job);
      await until('nothing to be left', () => site.leftovers().filter((path) => !path.includes(join('state', 'boxes'))).length === 0);
    }
  });
});
