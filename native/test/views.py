"""The tests of views: what enter mounts before the engine, and the view that a payload's process enters by itself."""
import os, shutil, stat, subprocess, sys


def sub(folder, *names):
    paths = []
    for name in names:
        path = os.path.join(folder, name)
        os.mkdir(path)
        os.chmod(path, 0o777)
        paths.append(path)
    return paths


def words(op, *arguments):
    return [f'M{op}', *(f'm{argument}' for argument in arguments)]


def tool(bench, role, *arguments, uid=None, gid=None):
    account = {} if uid is None else {'user': uid, 'group': gid, 'extra_groups': []}
    run = subprocess.run([f'/proc/self/fd/{role}', role, *map(str, arguments)], executable=os.path.join(bench.tree.path, 'tare'),
                         capture_output=True, timeout=20, **account)
    return run.returncode, run.stdout


# Has memory and space in a child, until its input ends.
HOLDER = """
import os, sys
if os.fork():
    os.wait()
memory = os.memfd_create('held')
os.write(memory, bytes(3 << 20))
ends = os.pipe()
os.write(ends[1], bytes(5000))
for path in ('deleted', 'locked/file'):
    fd = os.open(path, os.O_CREAT | os.O_WRONLY)
    os.write(fd, bytes(1 << 20))
os.unlink('deleted')
os.chmod('locked', 0)
print('ready', flush=True)
sys.stdin.read()
"""


def register(test, equal, launch, boxes, Skip):
    def layers(bench):
        """Folders of the payload's user: lower with a file in it, upper, work, and where the overlay goes."""
        paths = sub(bench.folder(), 'lower', 'upper', 'work', 'view')
        with open(os.path.join(paths[0], 'f'), 'w') as f:
            f.write('old\n')
        if bench.uid is not None:
            for path in (*paths, os.path.join(paths[0], 'f')):
                os.chown(path, bench.uid, bench.uid)
        return paths

    def is_user(bench):
        return bench.uid is not None or os.getuid() != 0

    def overlay(bench, paths):
        user = is_user(bench)
        return [*words('namespace', 'user' if user else 'mount'),
                *words('overlay', *paths, 'userxattr' if user else 'redirect_dir=off')]

    def read(*names):
        with open(os.path.join(*names)) as f:
            return f.read()

    @test('none', 'bwrap', 'user')
    def enter_mounts_an_overlay(bench):
        lower, upper, work, view = paths = layers(bench)
        code, out, err, _ = bench.sh('echo new >"$0/f" && cat "$0/f" && rm "$0/f" && mkdir "$0/f" && ls -d "$0"/*', view).run(
            bench.box, 'a@1', *overlay(bench, paths))
        equal((code, out), (0, f'new\n{view}/f\n'.encode()))
        equal(read(lower, 'f'), 'old\n')
        equal(os.listdir(upper), ['f'])
        equal(os.listdir(view), [])  # the mount is gone with the box

    @test('bwrap', 'user')
    def payload_enters_a_view_of_its_own(bench):
        lower, upper, work, view = paths = layers(bench)
        kept, = sub(lower, 'kept')
        real, = sub(os.path.dirname(lower), 'real')
        if bench.uid is not None:
            os.chown(kept, bench.uid, bench.uid)
        # the engine: the overlay stands ready in the box, and something real lies over the lower directory
        box = ['--bind', real, kept]
        job, supervisor = bench.sh('grep Cap /proc/self/status; echo new >"$0/f"; echo out >"$0/kept/o"; ls "$1"; touch "$0/g"; ls "$0"', lower, view).met()
        supervisor.send('S', job.folder)
        argv = engine(bench)
        at = argv.index('--proc')
        supervisor.send('L', *['E' + one for one in [*argv[:at], *box, *argv[at:]]], 'a@1', *overlay(bench, paths),
                   f'w{view}', f'w{lower}', f'k{kept}', f'h{view}')
        supervisor.expect('R')
        supervisor.send('G')
        frames = supervisor.until('B')
        assert 'X' in frames, frames
        code, out, err = job.quit(supervisor, 'status', frames['E'][0])
        lines = out.decode().splitlines()
        equal([line.split()[1] for line in lines[:5]], ['0' * 16] * 5)
        equal((code, lines[5:]), (0, ['f', 'g', 'kept']))
        equal((read(lower, 'f'), read(upper, 'f'), read(real, 'o')), ('old\n', 'new\n', 'out\n'))
        equal(sorted(os.listdir(lower)), ['f', 'kept'])
        assert b'Permission denied' in err, err  # what stood ready is hidden

    def engine(bench):
        from harness import BOXES
        return [one[1:] for one in BOXES[bench.box]]

    @test('bwrap')
    def payload_enters_a_root_of_its_own(bench):
        if os.getuid():
            raise Skip('only root lays an overlay over the whole of /')
        folder = bench.folder()
        upper, work, view, own = sub(folder, 'upper', 'work', 'view', 'own')
        script = 'echo mine >/tare-of-this-test && cat /tare-of-this-test && readlink /proc/self >/dev/null && echo out >"$0/o" && : >/dev/null'
        code, out, err, _ = bench.sh(script, own).run(
            bench.box, 'a@1', *words('namespace', 'mount'), *words('overlay', '/', upper, work, view, 'redirect_dir=off'),
            f'w{view}', 'w/', 'k/proc', 'k/dev', f'k{own}')
        equal((code, out, err), (0, b'mine\n', b''))
        equal((os.path.exists('/tare-of-this-test'), read(upper, 'tare-of-this-test'), read(own, 'o')), (False, 'mine\n', 'out\n'))

    @test('none', 'user')
    def memory_holds_what_it_is_told_to(bench):
        disk, = sub(bench.folder(), 'disk')
        if bench.uid is not None:
            os.chown(disk, bench.uid, bench.uid)
        code, out, err, _ = bench.sh('ls -ld "$0/d" | cut -c1-10; head -c 3000000 /dev/zero >"$0/d/f"; echo $?', disk).run(
            bench.box, 'a@1', *words('namespace', 'user' if is_user(bench) else 'mount'), *words('tmpfs', disk, 1 << 20),
            *words('directory', f'{disk}/d', '0750', '', ''))
        equal((code, out), (0, b'drwxr-x---\n1\n'))
        assert b'No space left' in err, err
        equal(os.listdir(disk), [])

    @test('none')
    def a_graft_is_read_only(bench):
        if os.getuid():
            raise Skip('only root does this without an engine')
        source, at = sub(bench.folder(), 'source', 'at')
        code, out, err, _ = bench.sh('touch "$0/x"; echo $?; ls "$0/sys" | wc -l', at).run(
            bench.box, 'a@1', *words('namespace', 'mount'), *words('graft', '/', at))
        equal((code, out[:2]), (0, b'1\n'))
        assert b'Read-only' in err and int(out[2:]) > 3, (out, err)

    @test('none')
    def points_are_made_in_an_image(bench):
        image, upper = sub(bench.folder(), 'image', 'upper')
        os.makedirs(f'{image}/etc')
        os.symlink('/etc', f'{image}/proc')
        os.symlink('nowhere', f'{image}/etc/passwd')
        with open(f'{image}/etc/hosts', 'w') as f:
            f.write('here\n')
        keys = [word for path in ('/proc', '/etc/passwd', '/etc/hosts', '/etc', '/no/such/place', '/usr/bin')
                for word in words('point', image, upper, path)]
        code, *_ = bench.sh('true').run(bench.box, 'a@1', *keys)
        equal(code, 0)
        found = {os.path.relpath(os.path.join(folder, name), upper): stat.S_IFMT(os.lstat(os.path.join(folder, name)).st_mode)
                 for folder, folders, files in os.walk(upper) for name in folders + files}
        equal(found, {'proc': stat.S_IFDIR, 'etc': stat.S_IFDIR, 'etc/passwd': stat.S_IFREG, 'usr': stat.S_IFDIR, 'usr/bin': stat.S_IFDIR})

    @test('none', 'bwrap', 'user')
    def a_squashfs_file_is_mounted(bench):
        user = is_user(bench)
        program = shutil.which('squashfuse_ll') if user else ''
        if not shutil.which('mksquashfs') or program is None or (user and os.stat('/dev/fuse').st_mode & 0o006 != 0o006):
            raise Skip('no mksquashfs, no squashfuse_ll, or a /dev/fuse that is not for everybody')
        folder = bench.folder()
        lower, upper, work, view = layers(bench)
        mounted, = sub(folder, 'mounted')
        file = os.path.join(folder, 'image.squashfs')
        subprocess.run(['mksquashfs', lower, file, '-quiet', '-no-progress'], check=True, stdout=subprocess.DEVNULL)
        os.chmod(file, 0o644)
        uid = bench.uid if bench.uid is not None else os.getuid()
        keys = [*words('namespace', 'user' if user else 'mount'),
                *words('squashfs', file, mounted, program, f'uid={uid},gid={uid}' if user else ''),
                *words('overlay', mounted, upper, work, view, 'userxattr' if user else 'redirect_dir=off')]
        code, out, err, _ = bench.sh('cat "$0/f"; (: >"$1/f") || echo read-only; rm "$0/f" && echo new >"$0/g" && ls "$0"', view, mounted).run(
            bench.box, 'a@1', *keys)
        equal((code, out), (0, b'old\nread-only\ng\n'))
        equal(os.listdir(mounted), [])  # gone with the box
        if not user:
            equal([name for name in os.listdir('/sys/block') if name.startswith('loop') and os.path.exists(f'/sys/block/{name}/loop/backing_file')
                   and read(f'/sys/block/{name}/loop/backing_file').startswith(folder)], [])

    @test('none', 'bwrap', 'user')
    def what_is_held_is_init_s_alone(bench):
        folders = sub(bench.folder(), *[f'held-{n}' for n in range(7)])
        engine = [key if key != 'E3' else 'E3,' + ','.join(str(5 + n) for n in range(len(folders))) for key in boxes[bench.box]]
        job, supervisor = bench.sh('sleep 60').met()
        supervisor.send('S', job.folder)
        init, payload = supervisor.start('none', *engine, 'a@1', *[key for folder in folders for key in words('hold', folder)])
        supervisor.expect('X')
        opened = lambda pid: sorted(path for path in (os.readlink(f'/proc/{pid}/fd/{fd}') for fd in os.listdir(f'/proc/{pid}/fd')) if 'held-' in path)
        equal(opened(payload), [])
        if os.getuid() == 0:  # nobody else may look at init
            equal(opened(init), sorted(folders))
        supervisor.send('A')
        supervisor.until('B')
        equal(job.quit(supervisor, 'code', 7)[0], 7)

    @test('none', 'bwrap', 'user')
    def a_mount_that_fails_is_told(bench):
        lower, upper, work, view = layers(bench)
        start = words('namespace', 'user' if is_user(bench) else 'mount')
        cases = [
            ('overlay', [*start, *words('overlay', '/no/such', upper, work, view, '')]),
            ('overlay', [*start, *words('overlay', lower, upper, work, view, 'no_such_option')]),
            ('overlay', [*start, *words('overlay', lower, upper, f'{lower}/f', view, '')]),
            ('graft', [*start, *words('graft', '/no/such', view)]),
            ('loop', [*start, *words('loop', '/no/such', view)]),
            ('squashfs', [*start, *words('squashfs', '/no/such', view, '', '')]),
            ('squashfs', [*start, *words('squashfs', '/no/such', view, '/no/such/program', '')]),
            ('protocol', words('squashfs', 'x')),
            ('tmpfs', [*start, *words('tmpfs', view, 'lots')]),
            ('devpts', [*start, *words('devpts', '/no/such')]),
            ('directory', [*start, *words('directory', view, '0755', '', '')]),
            ('protocol', words('squash', 'x')),
            ('protocol', words('graft', '/')),
            ('protocol', words('graft', '/', view, 'more')),
            ('protocol', words('overlay', *'1234567')),
            ('protocol', ['mx']),
            ('protocol', ['w/x']),
        ]
        for step, keys in cases:
            job, supervisor = bench.sh('echo ran').met()
            launch(supervisor, bench.box, 'a@1', *keys)
            told = supervisor.expect('F')
            assert told[0] == step.encode(), (keys, told)
            supervisor.expect('B')
            job.quit(supervisor, 'code', 3)
        job, supervisor = bench.sh('echo ran').met()
        supervisor.start(bench.box, 'a@1', 'w/no/such/view', f'w{lower}')
        equal(supervisor.expect('F')[0], b'view')
        supervisor.expect('B')
        job.quit(supervisor, 'code', 3)

    @test('', builds=('static', 'sane'))
    def the_trial_leaves_nothing(bench):
        folder = bench.folder()
        kind, options = ('user', 'userxattr') if os.getuid() else ('root', 'redirect_dir=off')
        equal(tool(bench, 'tare-trial', kind, folder, options), (0, b'ok\n'))
        code, said = tool(bench, 'tare-trial', kind, folder, 'no_such_option')
        equal((code, said.split(b':')[0]), (0, b'overlay'))
        equal(tool(bench, 'tare-trial', kind, '/no/such', options)[0], 0)
        equal(os.listdir(folder), [])
        equal(tool(bench, 'tare-trial', kind, folder)[0], 125)

    @test('', builds=('static', 'sane'))
    def the_clock_is_asked(bench):
        code, said = tool(bench, 'tare-clock', 'now')
        equal((code, said.split(b' ')[0] in (b'synchronised', b'unsynchronised')), (0, True))

    @test('', builds=('static', 'sane'))
    def what_is_held_is_found(bench):
        folder = bench.folder()
        os.mkdir(f'{folder}/locked')
        holder = subprocess.Popen([sys.executable, '-c', HOLDER], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            equal(holder.stdout.readline(), b'ready\n')
            code, said = tool(bench, 'tare-held', holder.pid, 5000, 'watched', folder, 'locked', f'{folder}/locked')
            lines = [line.split('\t') for line in said.decode().splitlines()]
            found = {line[0]: int(line[-1]) for line in lines if line[0] not in ('unseen', 'end')}
            equal((code, lines[-1]), (0, ['end']))
            equal([found[key] for key in ('memfd', 'pipes', 'lockedFiles')], [3 << 20, 8192, 1])
            equal([1 << 20 <= found[key] < 2 << 20 for key in ('deleted', 'locked')], [True, True])
            # it is in the node's namespaces, whose files and segments in memory are nobody's
            equal([key in [line[1] for line in lines if line[0] == 'unseen'] for key in ('tmpfs', 'sysv', 'memfd')], [True, True, False])
        finally:
            holder.communicate()
            os.chmod(f'{folder}/locked', 0o700)
        equal(tool(bench, 'tare-held', holder.pid, 5000)[0], 0)
        equal(tool(bench, 'tare-held', 'x', 5000)[0], 125)
        equal(tool(bench, 'tare-held', 1)[0], 125)

    @test('', builds=('static', 'sane'))
    def opaque_directories_are_listed(bench):
        folder = bench.folder()
        os.makedirs(f'{folder}/a/b\n/c')
        os.makedirs(f'{folder}/' + '/'.join(['deep' * 20] * 30))
        for path in ('a/b\n', 'a/b\n/c', '.'):
            os.setxattr(f'{folder}/{path}', 'user.overlay.opaque', b'y')
        os.setxattr(f'{folder}/a', 'user.overlay.opaque', b'x')
        os.symlink(f'{folder}/a', f'{folder}/link')
        equal(tool(bench, 'tare-opaque', folder), (0, b'a/b\n\0a/b\n/c\0'))
        equal(tool(bench, 'tare-opaque', '/no/such')[0], 125)

    @test('bwrap', 'user', builds=('static', 'sane'))
    def a_box_is_joined(bench):
        who = {} if bench.uid is None else {'user': bench.uid, 'group': bench.uid, 'extra_groups': []}
        # with a /dev bubblewrap maps root, then the caller in a user namespace within that one
        command = ['bwrap', '--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--ro-bind', '/', '/', '--proc', '/proc',
                   '--dev', '/dev', '--as-pid-1', '--', '/bin/sh', '-c', 'echo; read x']
        box = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **who)
        try:
            box.stdout.read(1)
            with open(f'/proc/{box.pid}/task/{box.pid}/children') as f:
                pid = f.read().split()[0]

            def join(kinds, *argv, target=pid):
                return subprocess.run(['/proc/self/fd/tare-join', 'tare-join', target, kinds, *argv], capture_output=True, timeout=20,
                                      executable=os.path.join(bench.tree.path, 'tare'), **who)

            kinds = ('user', 'pid', 'mnt', 'ipc', 'uts')
            names = [f'/proc/self/ns/{kind}' for kind in (*kinds, 'net')]
            joined = join(','.join(kinds), '/bin/readlink', *names)
            equal((joined.returncode, joined.stderr), (0, b''))
            equal(joined.stdout.decode().split(), [os.readlink(f'/proc/{pid}/ns/{kind}') for kind in (*kinds, 'net')])
            equal(join('user,pid', '/bin/sh', '-c', 'exit 7').returncode, 7)
            equal(join('user,pid', '/bin/sh', '-c', 'kill -KILL $$').returncode, -9)
            failed = join('user,pid', '/no/such')
            equal((failed.returncode, failed.stderr), (125, b'tare: /no/such: No such file or directory\n'))
            failed = join('user', '/bin/true', target='999999999')
            equal((failed.returncode, failed.stderr), (125, b"tare: the box's user namespace cannot be entered: No such file or directory\n"))
            failed = join('net', '/bin/true', target='1')
            assert os.getuid() == 0 and bench.uid is None or failed.returncode == 125, failed
            equal(join('user').returncode, 125)
        finally:
            box.stdin.close()
            box.wait(timeout=20)
