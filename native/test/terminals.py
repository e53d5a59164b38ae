"""What the caller's terminal is to a payload: a terminal of the box's own, and the caller's as it was, however it ends."""
import fcntl, hashlib, os, pty, select, signal, struct, subprocess, sys, termios, time

from applications import sh
from harness import PYTHON, Skip, comm, equal, launch, test, wait_for

SECONDS = 30  # no test is about how fast it goes
LFLAG, OFLAG = 3, 1


def in_front(pid):
    """Whether a process is of its terminal's foreground group (proc(5), stat)."""
    try:
        with open(f'/proc/{pid}/stat') as f:
            fields = f.read().rpartition(')')[2].split()
    except OSError:
        return False
    return fields[2] == fields[5]


class Terminal:
    """A terminal, and what is seen on it."""

    def __init__(self):
        self.master, self.slave = pty.openpty()
        self.seen = b''

    def more(self, seconds=0.05):
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            self.seen += os.read(self.master, 65536)
        except OSError:
            return False
        return True

    def until(self, text, what=''):
        end = time.time() + SECONDS
        while text not in self.seen:
            assert time.time() < end, f'no {text!r} in {self.seen!r} {what}'
            self.more()
        before, self.seen = self.seen.split(text, 1)
        return before

    def type(self, text):
        data = text if isinstance(text, bytes) else text.encode()
        while data:
            data = data[os.write(self.master, data[:1024]):]

    def size(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack('4H', rows, columns, 0, 0))

    def modes(self):
        return termios.tcgetattr(self.master)

    def is_raw(self):
        return not self.modes()[LFLAG] & (termios.ISIG | termios.ICANON | termios.ECHO)

    def close(self):
        for fd in (self.master, self.slave):
            if fd >= 0:
                os.close(fd)
        self.master = self.slave = -1


class Shell(Terminal):
    """With a shell that has job control; shims are started by typing."""

    def __init__(self, bench):
        super().__init__()
        self.bench = bench
        self.job = bench.job(['/bin/true'], bare=True)  # only for its socket
        self.job.wait()
        user = (lambda: (os.setgroups([]), os.setresgid(*[bench.uid] * 3), os.setresuid(*[bench.uid] * 3))) if bench.uid else (lambda: None)
        if bench.uid:
            os.fchown(self.slave, bench.uid, -1)
        self.process = subprocess.Popen(
            ['/bin/bash', '--norc', '--noprofile', '-i'], stdin=self.slave, stdout=self.slave, stderr=self.slave, start_new_session=True,
            env={'PATH': os.environ['PATH'], 'PS1': '$ ', 'TERM': 'dumb', 'TARE_TEST_SOCKET': f'{self.job.folder}/s'},
            preexec_fn=lambda: (fcntl.ioctl(0, termios.TIOCSCTTY, 0), user()))
        self.until(b'$ ')

    def shim(self, arguments, *keys, after='; echo code-$?', before=''):
        """A shim whose payload has executed, and its supervisor."""
        self.type(f'{before}{self.bench.tree.path}/tare-wrap {arguments}{after}\n')
        supervisor = self.job.supervisor()
        supervisor.socket.settimeout(SECONDS)
        _, self.payload = supervisor.start(self.bench.box, *(keys or ('a@1',)))
        supervisor.expect('X')
        return supervisor

    def end(self, supervisor):
        frames = supervisor.until('B')
        supervisor.send('Q', 'status', frames['E'][0], '')
        return int(frames['E'][0])

    def close(self):
        self.process.kill()
        self.process.wait()
        super().close()


def at_shell(function):
    def run(bench):
        shell = Shell(bench)
        try:
            function(bench, shell)
        finally:
            shell.close()
    run.__name__ = function.__name__
    return run


class Alone(Terminal):
    """A shim that leads the session of the terminal: no shell sets modes after it."""

    def __init__(self, bench, argv, *keys, go=True, prep='', **more):
        super().__init__()
        if bench.uid:
            os.fchown(self.slave, bench.uid, -1)
        self.before = self.modes()
        more = {'stdin': self.slave, 'stdout': self.slave, 'stderr': self.slave, **more}
        self.job = bench.job(argv, prep=f'import fcntl\nfcntl.ioctl({self.slave}, {termios.TIOCSCTTY}, 0)\nos.close({self.slave})\n{prep}',
                             pass_fds=[self.slave], **more)
        self.supervisor = self.job.supervisor()
        self.supervisor.socket.settimeout(SECONDS)
        self.supervisor.send('S', self.job.folder)
        launch(self.supervisor, bench.box, *(keys or ('a@1',)))
        _, self.payload = map(int, self.supervisor.expect('R'))
        if go:
            self.supervisor.send('G')
            self.supervisor.expect('X')

    def end(self):
        """Passes on how the payload ended, and returns how the shim did."""
        frames = self.supervisor.until('B')
        self.supervisor.send('Q', 'status', frames['E'][0], '')
        return self.wait()

    def wait(self):
        end = time.time() + SECONDS
        while self.job.process.poll() is None:
            assert time.time() < end, 'the shim does not end'
            self.more(0.02)
        while self.more(0):
            pass
        return self.job.process.returncode


def python(script, *arguments):
    return [PYTHON, '-I', '-c', script, *arguments]


# --- job control --------------------------------------------------------------------------------------------------

@test('none', 'bwrap')
@at_shell
def terminal(bench, shell):
    supervisor = shell.shim("/bin/sh -c 'trap \"echo got-int\" INT; echo up; read a; echo \"<$a>\"; read a; echo \"<$a>\"; exit 3'")
    shell.until(b'up\r\n')
    shell.type('one\n')
    shell.until(b'<one>')
    shell.type('\x1a')
    shell.until(b'Stopped')
    shell.until(b'$ ')
    shell.type('fg\n')
    shell.until(b'tare-wrap')
    wait_for(shell.is_raw, SECONDS, what='the payload to be in front')
    shell.type('two\n')
    shell.until(b'<two>')
    equal(shell.end(supervisor), 3 << 8)
    shell.until(b'$ ')
    shell.type('echo the-shell-has-it\n')
    shell.until(b'the-shell-has-it\r\n')


@test('none', 'bwrap', 'user')
@at_shell
def keys_go_to_the_group_in_front(bench, shell):
    """Ctrl-C to all of the payload's group, Ctrl-\\ too; what the payload does with it is how all ends."""
    inner = 'trap \\"echo inner; exit 0\\" INT; echo up; while :; do sleep 0.05; done'
    supervisor = shell.shim(f"/bin/sh -c 'sh -c \"{inner}\"; sleep 60'")
    shell.until(b'up\r\n')
    shell.type('\x03')
    shell.until(b'inner')
    equal(shell.end(supervisor), signal.SIGINT)
    shell.until(b'$ ')
    shell.type('echo now-$?\n')
    shell.until(b'now-')
    supervisor = shell.shim("/bin/sh -c 'ulimit -c 0; echo up; exec sleep 60'")
    shell.until(b'up\r\n')
    shell.type('\x1c')
    equal(shell.end(supervisor) & 127, signal.SIGQUIT)


@test('none', 'bwrap', 'user')
@at_shell
def a_shell_has_job_control(bench, shell):
    supervisor = shell.shim("/bin/bash --norc --noprofile -i", 'a@1', 'ePS1=box> ')
    shell.until(b'box> ')
    shell.type('sleep 60\n')
    wait_for(lambda: comm(foreground(shell.payload)) == 'sleep', SECONDS, what='sleep in front')
    shell.type('\x1a')
    shell.until(b'Stopped')
    shell.until(b'box> ')
    shell.type('jobs; fg\n')
    wait_for(lambda: comm(foreground(shell.payload)) == 'sleep', SECONDS, what='sleep in front again')
    shell.type('\x03')
    shell.until(b'box> ')
    shell.type('exit 5\n')
    equal(shell.end(supervisor), 5 << 8)
    text = shell.until(b'code-5')
    assert b'job control' not in text and b'tty' not in text, text


def foreground(pid):
    """tpgid of a process, as this test sees it."""
    with open(f'/proc/{pid}/stat') as f:
        return int(f.read().rsplit(')', 1)[1].split()[5])


@test('none', 'bwrap')
@at_shell
def in_the_background(bench, shell):
    """It writes; when it reads it stops, as any; in front it goes on."""
    supervisor = shell.shim("/bin/sh -c 'echo up; read a; echo \"<$a>\"; exit 4'", after=' &')
    shell.until(b'up')

    def tells():  # a shell says it at its next prompt
        shell.type('\n')
        shell.more(0.2)
        return b'Stopped' in shell.seen
    wait_for(tells, SECONDS, what='the shim to stop')
    assert not shell.is_raw()
    shell.type('fg\n')
    shell.until(b'tare-wrap')
    wait_for(shell.is_raw, SECONDS, what='the payload to be in front')
    shell.type('one\n')
    shell.until(b'<one>')
    equal(shell.end(supervisor), 4 << 8)
    shell.until(b'$ ')


@test('none', 'bwrap')
@at_shell
def only_output_is_redirected(bench, shell):
    """The file stays the caller's; the terminal is nobody's until the payload reads, since the others of a pipeline may use it."""
    text = os.path.join(bench.folder(), 'text')
    supervisor = shell.shim(f"/bin/sh -c 'test -f /dev/stdout; echo file-$?; tty; echo up >&2; sleep 0.3; kill -STOP $$; read a; echo \"<$a>\"' >{text}")
    shell.until(b'up')
    shell.until(b'Stopped')
    assert not shell.is_raw()
    shell.type('fg; echo over-$?\n')
    shell.until(b'tare-wrap')
    wait_for(shell.is_raw, SECONDS, what='the payload to be in front')
    shell.type('one\n')
    equal(shell.end(supervisor), 0)
    shell.until(b'over-0')
    with open(text) as f:
        lines = f.read().split('\n')
    equal([lines[0], *lines[2:]], ['file-0', '<one>', ''])
    assert lines[1].startswith('/dev/pts/') and lines[1] != os.ttyname(shell.slave), lines


@test('none', 'user')
@at_shell
def process_1_reads_in_a_pipeline_and_in_the_background(bench, shell):
    """The kernel does not stop it for that, so it is in front from its start, or waits."""
    script = "/bin/sh -c 'echo up >&2; read a; echo \"<$a>\" >&2; exit 4'"
    supervisor = shell.shim(script, 'a@1', 'P', after=' | cat; echo over-${PIPESTATUS[0]}')
    shell.until(b'up\r\n')
    shell.type('one\n')
    shell.until(b'<one>')
    equal(shell.end(supervisor), 4 << 8)
    shell.until(b'over-4')
    supervisor = shell.shim(script, 'a@1', 'P', after=' &')
    shell.until(b'up')
    time.sleep(0.5)
    with open(f'/proc/{shell.payload}/stat') as f:
        assert sum(map(int, f.read().rpartition(')')[2].split()[11:13])) < 10, 'it reads again and again'
    shell.type('fg\n')
    shell.until(b'tare-wrap')
    shell.type('two\n')
    shell.until(b'<two>')
    equal(shell.end(supervisor), 4 << 8)


@test('none', 'bwrap')
@at_shell
def who_polls_is_not_stopped(bench, shell):
    """poll(2) asks for nothing: what is typed comes all the same, and so does its end."""
    folder = bench.folder()
    with open(os.path.join(folder, 'script'), 'w') as f:
        f.write('import select, sys, os\nprint("up", file=sys.stderr, flush=True)\n'
                'for _ in range(2):\n  select.select([0], [], []); print(os.read(0, 99), file=sys.stderr, flush=True)\n')
    supervisor = shell.shim(f'{PYTHON} -I {folder}/script >{folder}/text')
    shell.until(b'up\r')
    shell.type('one\n')
    shell.until(b"b'one\\n'")
    shell.type('\x04')
    shell.until(b"b''")
    equal(shell.end(supervisor), 0)
    shell.until(b'code-0')
    assert not shell.is_raw()


@test('none', 'bwrap')
@at_shell
def one_of_several_reads(bench, shell):
    """Until then keys are for all of them; from then on for the one that reads."""
    shell.type(f'{bench.tree.path}/tare-wrap x; echo code-$?\n')
    supervisor = shell.job.supervisor()
    supervisor.socket.settimeout(SECONDS)
    other = 'trap "echo other-int" INT; sleep 600 & test -t 1 && echo other; while :; do wait $!; done'
    reads = 'trap "echo reader-int" INT; echo reader; while ! read a; do :; done; echo "<$a>"; read a; echo "<$a>"; exit 3'
    launch(supervisor, bench.box, *sh('a', other, 'va'), *sh('b', f': {shell.job.folder}; trap "" INT; while [ ! -e go ]; do sleep 0.05; done; {reads}', 'vb', 'I', f'd{shell.job.folder}'))
    supervisor.expect('R')
    for index in range(2):
        supervisor.send('G', index, 1)
        supervisor.expect('X')
    shell.until(b'other\r')
    assert not shell.is_raw()
    shell.type('\x03')
    shell.until(b'other-int')
    open(os.path.join(shell.job.folder, 'go'), 'w').close()
    shell.until(b'reader\r')
    wait_for(shell.is_raw, SECONDS, what='the keys to be the box’s')
    wait_for(lambda: any(b'reader-int' in line and in_front(pid) for pid, _, line in shell.job.left(f': {shell.job.folder};')), SECONDS, what='the reader to be in front')
    shell.type('\x03one\n')
    shell.until(b'reader-int')
    assert b'other-int' not in shell.until(b'<one>')
    shell.type('two\n')
    shell.until(b'<two>')
    frames = supervisor.until('Z')
    equal(frames['Z'][:3], [b'1', b'1', b'768'])
    supervisor.send('A')
    supervisor.until('B')
    supervisor.send('Q', 'code', 4, '')
    shell.until(b'code-4')
    assert not shell.is_raw()


# --- the box's own ------------------------------------------------------------------------------------------------

TYPE = '''
import fcntl, os, termios
for fd in (0, 1, 2, 7, os.open('/dev/tty', os.O_RDWR)):
    for letter in b'echo TYPED\\n':
        try: fcntl.ioctl(fd, termios.TIOCSTI, bytes([letter]))
        except OSError: pass
    try: fcntl.ioctl(fd, 0x541c, b'\\2')
    except OSError: pass
print(os.ttyname(0), [os.fstat(fd).st_rdev == os.fstat(0).st_rdev for fd in (1, 2, 7)], flush=True)
'''


@test('none', 'bwrap', 'user')
@at_shell
def nothing_is_typed_into_the_caller_s_terminal(bench, shell):
    """On whichever descriptor, without a filter on system calls."""
    script = os.path.join(bench.folder(), 'script')
    with open(script, 'w') as f:
        f.write(TYPE)
    supervisor = shell.shim(f'{PYTHON} -I {script}', before='', after=' 7>/dev/tty; echo code-$?')
    equal(shell.end(supervisor), 0)
    text = shell.until(b'code-0')
    assert b'/dev/pts/' in text and b'[True, True, True]' in text and os.ttyname(shell.slave).encode() + b' ' not in text, text
    shell.type('echo DONE\n')
    text = shell.until(b'DONE\r\n')
    assert b'TYPED\r\n' not in text.replace(b'echo TYPED\r\n', b''), text


@test('none', 'bwrap')
@at_shell
def without_input(bench, shell):
    """No terminal to read from, and the caller's stays as it is; output is the terminal's, and nothing can be typed."""
    script = os.path.join(bench.folder(), 'script')
    with open(script, 'w') as f:
        f.write('import os, sys\ntry: os.open("/dev/tty", os.O_RDWR)\nexcept OSError as e: print("none", e.errno)\n'
                'print(sys.stdin.read(), os.isatty(1), os.isatty(2), flush=True)\n'
                'import fcntl, termios\n'
                'for fd in (1, 2):\n  try: fcntl.ioctl(fd, termios.TIOCSTI, b"x"); print("typed")\n  except OSError as e: print(e.errno)\n'
                'import tty; tty.setraw(1); print("A\\nB", flush=True); sys.stdin.close(); os.kill(os.getpid(), 9)\n')
    supervisor = shell.shim(f'{PYTHON} -I {script} <<<input')
    before = shell.modes()
    status = shell.end(supervisor)
    text = shell.until(b'code-137')
    equal(status, 9)
    if os.getuid():  # who has CAP_SYS_ADMIN may type into any terminal that it has open: its own
        assert b'typed' not in text, text
    assert b'none 6\r\n' in text and b'input\r\n True True\r\n' in text and b'A\r\nB\r\n' in text, text
    equal(shell.modes()[OFLAG], before[OFLAG])


@test('none', 'bwrap', 'user')
def size_and_its_changes(bench):
    terminal = Alone(bench, ['/bin/sh', '-c', 'trap "stty size" WINCH; echo up; stty size; while :; do sleep 0.05; done'])
    try:
        terminal.until(b'up\r\n0 0\r\n')
        for rows, columns in ((24, 80), (33, 132), (10, 20)):
            terminal.size(rows, columns)
            terminal.until(f'{rows} {columns}\r\n'.encode())
        os.kill(terminal.job.pid, signal.SIGWINCH)  # without a change it is a signal as any other
        terminal.until(b'10 20\r\n')
        terminal.supervisor.send('A')
        equal(terminal.end(), -9)
    finally:
        terminal.close()


@test('none', 'bwrap', builds=('static',))
def size_changes_while_it_is_not_in_front(bench):
    """Its output is a pipe, and it has asked for nothing: every change is told once."""
    output = os.pipe()
    terminal = Alone(bench, ['/bin/sh', '-c', 'trap "stty size <&0" WINCH; echo up; while :; do sleep 0.05; done'], stdout=output[1])
    try:
        line = lambda: os.read(output[0], 100) if select.select([output[0]], [], [], SECONDS)[0] else b'nothing'
        equal(line(), b'up\n')
        for rows, columns in ((24, 80), (33, 132), (10, 20)):
            terminal.size(rows, columns)
            equal(line(), f'{rows} {columns}\n'.encode())
        assert not terminal.is_raw()
        terminal.supervisor.send('A')
        equal(terminal.end(), -9)
    finally:
        terminal.close()
        for fd in output:
            os.close(fd)


@test('none', 'bwrap', builds=('static',))
def modes_are_the_caller_s(bench):
    """At the start; and what the payload sets is seen by nobody else."""
    terminal = Alone(bench, ['/bin/sh', '-c', 'stty -a; stty -icanon min 7 erase x; echo up; exec sleep 60'],
                     prep='import termios\nm = termios.tcgetattr(0); m[6][termios.VERASE] = b"!"; m[3] &= ~termios.ECHOE; termios.tcsetattr(0, 0, m)')
    try:
        text = terminal.until(b'up\r\n')
        assert b'erase = !' in text and b'-echoe' in text and b' icanon' in text, text
        terminal.type('\x03')
        equal(terminal.end(), -2)
        after = terminal.modes()
        assert after[6][termios.VERASE] == b'!' and after[LFLAG] & termios.ICANON and not after[LFLAG] & termios.ECHOE, after
    finally:
        terminal.close()


# --- the end ------------------------------------------------------------------------------------------------------

SPOIL = 'stty raw -echo 2>/dev/null; printf "\\023"; echo up; '


@test('none', 'bwrap')
def modes_are_restored_at_every_end(bench):
    def kill_all_supervisors(terminal):
        for number in range(3):
            os.kill(terminal.supervisor.pid, signal.SIGKILL)
            if number < 2:
                terminal.supervisor = terminal.job.supervisor()
        os.kill(terminal.payload, signal.SIGKILL)
        os.kill(terminal.job.supervisor().pid, signal.SIGKILL)
        return terminal.wait()

    def quit_by_the_supervisor(terminal):
        terminal.supervisor.send('Q', 'code', 9, '')
        return terminal.wait()

    def asked(signo):
        return lambda terminal: (os.kill(terminal.job.pid, signo), terminal.end())[1]

    for script, how, wanted in (('exit 3', Alone.end, 3), ('kill -SEGV $$', Alone.end, -11), ('exec sleep 60', asked(15), -15),
                                ('exec sleep 60', asked(1), -1), ('exec sleep 60', kill_all_supervisors, -9), ('exec sleep 60', quit_by_the_supervisor, 9),
                                ('kill -TSTP $$; exit 6', Alone.end, 6), ('(trap "" HUP; sleep 60) & exit 7', Alone.end, 7)):
        terminal = Alone(bench, ['/bin/sh', '-c', f'{SPOIL}read a; {script}'])
        try:
            terminal.until(b'up')
            assert terminal.is_raw()
            terminal.type('\n\r\n')
            equal((script, how(terminal)), (script, wanted))
            equal((script, terminal.modes()), (script, terminal.before))
        finally:
            terminal.close()


@test('none', 'bwrap', builds=('static',))
def modes_are_restored_when_nothing_was_executed(bench):
    terminal = Alone(bench, ['/nonexistent'], go=False)
    try:
        terminal.supervisor.send('G')
        equal(terminal.supervisor.expect('F')[0], b'exec')
        terminal.supervisor.until('B')
        terminal.supervisor.send('Q', 'code', 127, '')
        equal(terminal.wait(), 127)
        equal(terminal.modes(), terminal.before)
    finally:
        terminal.close()


STOPPED = '''
import fcntl, os, signal, struct, sys, termios
argv = sys.argv[1:]
report = lambda word: os.write(9, (word + ' ' + str(bool(termios.tcgetattr(0)[3] & termios.ICANON)) + '\\n').encode())
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(argv[0], argv)
while True:
    _, status = os.waitpid(pid, os.WUNTRACED)
    if not os.WIFSTOPPED(status): break
    os.tcsetpgrp(0, os.getpgrp())
    report('stopped')
    os.read(8, 1)
    os.tcsetpgrp(0, pid)
    os.kill(-pid, signal.SIGCONT)
report('ended')
sys.exit(os.WEXITSTATUS(status))
'''


@test('none', 'bwrap')
def modes_are_restored_while_it_is_stopped(bench):
    """By Ctrl-Z, and by a signal to the shim; both are as they were for the payload afterwards."""
    orders, reports = os.pipe(), os.pipe()
    box = Terminal()
    job = bench.job(python(STOPPED, f'{bench.tree.path}/tare-wrap', '/bin/sh', '-c', 'echo up; while read a; do echo "<$a>"; done; exit 5'), bare=True,
                    stdin=box.slave, stdout=box.slave, stderr=box.slave, pass_fds=[orders[0], reports[1]],
                    prep=f'import fcntl\nfcntl.ioctl(0, {termios.TIOCSCTTY}, 0)\n'
                         # one may be 8 or 9 itself
                         f'high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 20) for fd in ({orders[0]}, {reports[1]})]\n'
                         'os.dup2(high[0], 8); os.dup2(high[1], 9)')
    try:
        supervisor = job.supervisor()
        supervisor.socket.settimeout(SECONDS)
        supervisor.start(bench.box, 'a@1')
        supervisor.expect('X')
        box.until(b'up\r\n')
        shim = int(supervisor.hello[2])
        for stop in (lambda: box.type('\x1a'), lambda: os.kill(shim, signal.SIGTSTP)):
            assert box.is_raw()
            stop()
            equal(os.read(reports[0], 100), b'stopped True\n')
            os.write(orders[1], b'.')
            wait_for(box.is_raw, SECONDS, what='raw mode')
            box.type('more\n')
            box.until(b'<more>')
        box.type('\x04')
        frames = supervisor.until('B')
        supervisor.send('Q', 'status', frames['E'][0], '')
        equal(os.read(reports[0], 100), b'ended True\n')
        equal(job.process.wait(SECONDS), 5)
    finally:
        for fd in (*orders, *reports):
            os.close(fd)
        box.close()


@test('none', 'bwrap')
def the_end_of_the_terminal(bench):
    """The payload's hangs up too, and the signal that the shim gets for it comes to the payload: who reads and who does not ends."""
    for script, statuses in (('trap "exit 8" HUP; echo up; read a || exit 9; exit 7', (8 << 8, 9 << 8)),
                             ('echo up; exec sleep 60', (signal.SIGHUP,)),
                             ('trap "exit 8" HUP; echo up; sleep 600 & while :; do wait $!; done', (8 << 8,))):
        terminal = Alone(bench, ['/bin/sh', '-c', script])
        try:
            terminal.until(b'up\r\n')
            os.close(terminal.master)
            os.close(terminal.slave)
            terminal.master = terminal.slave = -1
            frames = terminal.supervisor.until('B')
            assert int(frames['E'][0]) in statuses, (script, frames)
        finally:
            terminal.close()


# --- bytes --------------------------------------------------------------------------------------------------------

BYTES = 1 << 20
ECHO = f'''
import hashlib, os, sys, termios, tty
tty.setraw(0)
os.write(1, b'up')
data = b''
while len(data) < {BYTES}: data += os.read(0, 65536)
for at in range(0, {BYTES}, 100000):
    part = data[at:at + 100000]
    while part: part = part[os.write(1, part):]
'''


@test('none', 'bwrap', 'user')
def a_mebibyte_each_way(bench):
    """In raw mode, unharmed; and the last of it comes also when the payload writes and exits."""
    data = hashlib.shake_128(b'tare').digest(BYTES)
    terminal = Alone(bench, python(ECHO))
    try:
        terminal.until(b'up')
        fed = 0
        os.set_blocking(terminal.master, False)
        end = time.time() + 4 * SECONDS
        while len(terminal.seen) < BYTES:
            assert time.time() < end, (fed, len(terminal.seen))
            ready = select.select([terminal.master], [terminal.master] if fed < BYTES else [], [], 0.1)
            if ready[0]:
                terminal.more(0)
            if ready[1]:
                try:
                    fed += os.write(terminal.master, data[fed:fed + 4096])
                except BlockingIOError:
                    pass
        equal(terminal.end(), 0)
        assert terminal.seen == data, [(i, a, b) for i, (a, b) in enumerate(zip(terminal.seen, data)) if a != b][:5]
    finally:
        terminal.close()


@test('none', 'bwrap')
def the_last_words_are_not_lost(bench):
    """Written at once before the exit, and read only when nothing runs any more: by the supervisor's word the end is there, and all of it comes first."""
    terminal = Alone(bench, ['/bin/sh', '-c', 'stty raw; i=0; while [ $i -lt 550 ]; do echo "line $i of some forty characters and more"; i=$((i+1)); done; printf END; exit 2'])
    try:
        frames = terminal.supervisor.until('B')
        terminal.supervisor.send('Q', 'status', frames['E'][0], '')
        time.sleep(0.2)
        equal(terminal.wait(), 2)
        equal(terminal.seen, b''.join(b'line %d of some forty characters and more\n' % i for i in range(550)) + b'END')
        equal(terminal.modes(), terminal.before)
    finally:
        terminal.close()


@test('none', builds=('static',))
def nobody_reads(bench):
    """A stopped terminal holds the end up; a signal that asks for the end does not wait for it."""
    terminal = Alone(bench, ['/bin/sh', '-c', 'stty raw; head -c 26000 /dev/zero'])
    try:
        frames = terminal.supervisor.until('B')
        terminal.supervisor.send('Q', 'status', frames['E'][0], '')
        time.sleep(0.5)
        full = terminal.job.process.poll() is None
        os.kill(terminal.job.pid, signal.SIGTERM)
        if not full:
            raise Skip('the terminal takes it all')
        equal(terminal.job.process.wait(SECONDS), 0)
        equal(terminal.modes(), terminal.before)
    finally:
        terminal.close()
