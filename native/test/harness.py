"""Starting a shim and being its supervisor."""
import atexit, contextlib, glob, os, shutil, signal, socket, struct, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
NATIVE = os.path.dirname(HERE)
PYTHON = '/usr/bin/python3' if os.path.exists('/usr/bin/python3') else os.path.realpath(sys.executable)  # nobody can run it
NOBODY = 65534
BWRAP = [shutil.which('bwrap') or '/usr/bin/bwrap', '--unshare-pid', '--unshare-ipc', '--as-pid-1', '--dev-bind', '/', '/', '--proc', '/proc', '--',
         '/proc/self/fd/4', 'tare-init', '3']
USER_BWRAP = BWRAP[:1] + ['--unshare-user'] + BWRAP[1:]
# no /proc below the box's own, as in an image
TREE = [word for name in sorted(os.listdir('/')) if name != 'proc' and (os.path.islink(f'/{name}') or os.path.isdir(f'/{name}'))
        for word in (['--symlink', os.readlink(f'/{name}')] if os.path.islink(f'/{name}') else ['--dev-bind', f'/{name}']) + [f'/{name}']]
SYSTEM_BWRAP = [*BWRAP[:1], '--unshare-user', '--uid', '0', '--gid', '0', '--cap-add', 'ALL', *BWRAP[1:4], *TREE, *BWRAP[7:]]
BOXES = {'none': [], 'bwrap': ['E' + e for e in BWRAP], 'user': ['E' + e for e in USER_BWRAP]}
# what builds a small machine leaves its root the capabilities over it
BOXES['system'] = BOXES['system-user'] = ['E' + e for e in SYSTEM_BWRAP]
if os.getuid():
    BOXES['bwrap'] = BOXES['user']
# As where a daemon builds the box: nothing of the descriptors reaches init but by the bridge. Here the client builds it itself.
BRIDGES = tempfile.mkdtemp(prefix='tare-test-bridges-')
os.chmod(BRIDGES, 0o1777)
atexit.register(shutil.rmtree, BRIDGES, ignore_errors=True)
NEW_BRIDGE = f'$(mktemp -d -p {BRIDGES})'
BRIDGED = (f'folder={NEW_BRIDGE}; exec /proc/self/fd/4 tare-bridge "$folder" 2 -- -- -- "$@" '
           '--bind "$folder/at" /mnt -- /mnt/init tare-connect /mnt/socket 3')
BOXES['bridge'] = ['E' + word for word in ['/bin/sh', '-c', BRIDGED, 'sh', *(BWRAP if os.getuid() == 0 else USER_BWRAP)[:-4]]]


class Skip(Exception):
    """A capability that the test needs is not there."""


class Ended(Exception):
    """The other side closed."""


def b(x):
    return x if isinstance(x, bytes) else str(x).encode()


class Tree:
    """A folder with one build of tare and a tare.supervisor that names the scripted supervisor."""

    def __init__(self, build, interpreter='fake_supervisor', script=''):
        self.path = tempfile.mkdtemp(prefix='tare-test-')
        os.chmod(self.path, 0o755)
        # by another process: a copy that this one has open for writing could not be executed (other threads fork)
        subprocess.run(['cp', os.path.join(NATIVE, build), os.path.join(self.path, 'tare')], check=True)
        os.symlink('tare', os.path.join(self.path, 'tare-wrap'))
        for program in ('fake_supervisor', 'probe'):
            subprocess.run(['cp', os.path.join(NATIVE, 'build/test', program), self.path], check=True)
        with open(os.path.join(self.path, 'tare.supervisor'), 'w') as f:
            f.write(f'{interpreter}\n{script}\n{script}\n')

    def wrap(self):
        return os.path.join(self.path, 'tare-wrap')

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


class Supervisor:
    """One supervisor: its pid, what it was told first, and frames both ways."""

    def __init__(self, connection):
        self.socket = connection
        self.socket.settimeout(10)
        about = self.exactly(struct.unpack('<I', self.exactly(4))[0]).decode().split('\n')
        self.pid, self.argv, self.fds, self.environment, self.out = int(about[0]), *about[1:]
        self.hello = self.expect('H')

    def exactly(self, size):
        data = b''
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise Ended
            data += more
        return data

    def get(self):
        body = self.exactly(struct.unpack('<I', self.exactly(4))[0])
        return body[:1].decode(), body[1:].split(b'\0')[:-1]

    def expect(self, tag):
        got, strings = self.get()
        assert got == tag, f'expected {tag}, got {got} {strings}'
        return strings

    def until(self, tag):
        """The frames up to this one, as a dict of the last of each."""
        frames = {}
        while tag not in frames:
            got, strings = self.get()
            frames[got] = strings
        return frames

    def send(self, tag, *strings):
        body = b(tag) + b''.join(b(s) + b'\0' for s in strings)
        self.socket.sendall(struct.pack('<I', len(body)) + body)

    def raw(self, data):
        self.socket.sendall(data)

    def start(self, box, *keys):
        """Launches, and lets the payload be executed. The pids of init and of the payload."""
        launch(self, box, *keys)
        pids = map(int, self.expect('R'))
        self.send('G')
        return pids

    def close(self):
        self.socket.close()


class Job:
    """A shim under test. `prep` is Python that the caller runs before it executes the shim."""

    def __init__(self, tree, argv, prep='', name='tare-wrap', bare=False, uid=None, **more):
        self.folder = tempfile.mkdtemp(prefix='tare-job-')
        os.chmod(self.folder, 0o777)
        path = os.path.join(self.folder, 's')
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        os.chmod(path, 0o777)
        self.listener.listen(8)
        self.listener.settimeout(10)
        environment = dict(more.pop('env', os.environ))
        environment['TARE_TEST_SOCKET'] = path
        command = [b(a) for a in argv] if bare else [os.path.join(tree.path, name).encode(), *map(b, argv)]
        if uid is not None:
            prep = f'os.setgroups([]); os.setresgid({uid},{uid},{uid}); os.setresuid({uid},{uid},{uid})\n' + prep
        if prep:
            code = (f'import os, signal, resource, sys, time\n{prep}\n'
                    f'os.execv({command[0]!r}, {command!r})')
            command = [PYTHON, '-I', '-c', code]
        more.setdefault('stdin', subprocess.DEVNULL)
        more.setdefault('stdout', subprocess.PIPE)
        more.setdefault('stderr', subprocess.PIPE)
        more.setdefault('start_new_session', True)
        self.process = subprocess.Popen(command, env=environment, **more)
        self.pid = self.process.pid
        self.connections = []

    def supervisor(self):
        connection = self.listener.accept()[0]
        self.connections.append(connection)
        return Supervisor(connection)

    def met(self):
        return self, self.supervisor()

    def run(self, box, *keys):
        """The usual life. Returns (return code, stdout, stderr, frames)."""
        supervisor = self.supervisor()
        supervisor.send('S', self.folder)
        supervisor.start(box, *keys)
        ended = self.ended(supervisor)
        assert 'X' in ended[-1], ended
        return ended

    def ended(self, supervisor):
        """As the payload ends. Returns (return code, stdout, stderr, frames)."""
        frames = supervisor.until('B')
        return (*self.quit(supervisor, 'status', frames['E'][0]), frames)

    def quit(self, supervisor, kind, number, last=''):
        supervisor.send('Q', kind, number, last)
        return self.wait()

    def wait(self):
        out, err = self.process.communicate(timeout=10)
        return self.process.returncode, out, err

    def left(self, token=None):
        """Processes of this job's session (the supervisor has one of its own) or with the token in their arguments."""
        found = []
        for entry in os.listdir('/proc'):
            if not entry.isdigit() or int(entry) == os.getpid():
                continue
            try:
                with open(f'/proc/{entry}/stat', 'rb') as f:
                    stat = f.read().decode(errors='replace')
                with open(f'/proc/{entry}/cmdline', 'rb') as f:
                    line = f.read()
            except OSError:
                continue
            rest = stat[stat.rindex(')') + 2:].split()
            if rest[0] != 'Z' and (int(rest[3]) == self.pid or token and b(token) in line):
                found.append((int(entry), stat.split(')')[0] + ')', line))
        return found

    def gone(self, token=None, seconds=1.0):
        end = time.time() + seconds
        while self.left(token):
            if time.time() > end:
                return False
            time.sleep(0.01)
        return True

    def clean(self):
        try:
            self.process.kill()
        except OSError:
            pass
        try:
            self.process.communicate(timeout=5)
        except Exception:
            pass
        for pid, *_ in self.left():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        for connection in self.connections:
            connection.close()
        self.listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def launch(supervisor, box, *keys):
    supervisor.send('L', *BOXES[box], *keys)


def wait_for(condition, seconds=5, what='condition'):
    end = time.time() + seconds
    while not condition():
        assert time.time() < end, f'waited in vain for {what}'
        time.sleep(0.005)


def comm(pid):
    try:
        with open(f'/proc/{pid}/comm') as f:
            return f.read().strip()
    except OSError:
        return ''


def named(job, name):
    return [pid for pid, stat, line in job.left() if comm(pid) == name[:15]]


TESTS = []


def test(*boxes, builds=('static', 'sane')):
    def add(function):
        for build in builds:
            for box in boxes or ('',):
                TESTS.append((f'{function.__name__} {build} {box}'.strip(), function, build, box))
        return function
    return add


class Bench:
    """What a test gets: jobs on one build in one kind of box, cleaned up after it."""

    def __init__(self, tree, box):
        self.tree, self.box, self.jobs, self.folders = tree, box, [], []
        self.uid = NOBODY if box in ('user', 'system-user') and os.getuid() == 0 else None

    def job(self, argv, **more):
        more.setdefault('uid', self.uid)
        job = Job(self.tree, argv, **more)
        self.jobs.append(job)
        return job

    def tree_of(self, *what):
        self.trees.append(Tree(*what))
        return self.trees[-1]

    def folder(self):
        self.folders.append(tempfile.mkdtemp(prefix='tare-test-'))
        os.chmod(self.folders[-1], 0o777)
        return self.folders[-1]

    def sh(self, script, *arguments, **more):
        return self.job(['/bin/sh', '-c', script, *arguments], **more)

    def started(self, script, *keys, state=True, **more):
        """A job whose payload has executed."""
        job, supervisor = self.sh(script, **more).met()
        if state:
            supervisor.send('S', job.folder)
        job.init, job.payload = supervisor.start(self.box, 'a@1', *keys)
        supervisor.expect('X')
        return job, supervisor


def equal(a, b_):
    assert a == b_, f'{a!r} is not {b_!r}'


def cgroup_folders():
    """New folders in the hierarchies of this machine that can be used, v1 or v2."""
    mine = {}
    with open('/proc/self/cgroup') as f:
        for line in f:
            _, names, path = line.rstrip('\n').split(':', 2)
            mine[names] = path
    found = []
    for name in ('pids', 'freezer', 'memory', ''):
        for root in ([f'/sys/fs/cgroup/{name}'] if name else ['/sys/fs/cgroup/unified', '/sys/fs/cgroup']):
            base = root + mine.get(name, '/proc/nowhere')
            folder = os.path.join(base, f'tare-test-{os.getpid()}-{time.monotonic_ns()}')
            if os.path.exists(os.path.join(base, 'cgroup.procs')):
                try:
                    os.mkdir(folder)
                except OSError:
                    continue
                found.append(folder)
    return found


def remove_cgroup(folder):
    for path in sorted(glob.glob(folder + '/**/', recursive=True), reverse=True):
        for _ in range(100):
            try:
                os.rmdir(path)
                break
            except OSError:
                time.sleep(0.01)


@contextlib.contextmanager
def cgroups():
    """The same, gone afterwards."""
    folders = cgroup_folders()
    if not folders:
        raise Skip('no writable cgroup')
    try:
        yield folders
    finally:
        for folder in folders:
            remove_cgroup(folder)
