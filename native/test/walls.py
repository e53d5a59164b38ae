"""The tests of what is kept from being written to where no mount keeps it (Landlock)."""
import os, subprocess

from applications import Applications, python, sh
from harness import NATIVE, NOBODY, Skip, equal, launch, test


def wall(*places):
    """Keys for a wall around all but these: every right to write that the kernel's Landlock has; it needs three versions of it."""
    tool = subprocess.run(['/proc/self/fd/tare-landlock', 'tare-landlock', 'version'], executable=os.path.join(NATIVE, 'build/tare'),
                          stdout=subprocess.PIPE, check=True)
    if int(tool.stdout) < 3:
        raise Skip(f'the kernel has version {int(tool.stdout)} of Landlock')
    # write_file, remove_dir to make_sym, refer, truncate
    return ['l7ff2', *(f'L{place}' for place in places)]


WALLED = """cd "$1" && mkdir -p a b && echo x >a/file && mv a/file b/ && ln b/file a/ && rm a/file && : >b/file && echo within >/dev/stdout
echo again && echo and again >/proc/self/fd/7
(echo pipe >/dev/stdout) | cat
cd "$2" && for do in 'echo x >f' 'mkdir d' 'mkfifo p' 'ln -s x l' 'mv old other' 'rm new' ': >old' 'echo x >>/proc/self/fd/8' 'mv gone "$1"'; do
    (eval "$do") 2>/dev/null && echo "$do"
done
cat /proc/self/fd/8 && echo x | tee /dev/null >/dev/null"""


@test('bwrap', 'user')
def a_wall_stands_where_no_mount_does(bench):
    """All is open to everybody there, and mounted to be written to: only the wall is in the way."""
    for keys, gone_through in ((wall('/dev', '/proc', 'WRITABLE', '/nowhere/at/all'), 0), ([], 10)):
        writable, other, out = bench.folder(), bench.folder(), bench.folder()
        for file in 'old', 'new', 'gone', 'read':
            with open(f'{other}/{file}', 'w') as f:
                os.chmod(f.name, 0o666)
        prep = (f"os.dup2(os.open('{out}/seven', os.O_CREAT | os.O_WRONLY), 7)\n"
                f"os.dup2(os.open('{other}/read', os.O_RDONLY), 8)\n")
        with open(f'{out}/one', 'a+') as one:
            os.chmod(one.name, 0o666)
            job = bench.sh(WALLED, 'sh', writable, other, stdout=one, prep=prep)
            code, _, err, _ = job.run(bench.box, 'a@1', *(key.replace('WRITABLE', writable) for key in keys))
            one.seek(0)
            told = one.read().splitlines()
        equal((code, err, told[:3]), (0, b'', ['within', 'again', 'pipe']))
        equal(len(told[3:]) if gone_through else told[3:], gone_through or [])
        with open(f'{out}/seven') as f:
            equal(f.read(), 'and again\n')


@test('none', builds=('static',))
def a_wall_that_cannot_be_put_up_fails_the_launch(bench):
    wall()
    for keys, what in (
        (['l8000000000000000'], b'landlock_create_ruleset'),
        (['l7ff2', 'A8000000000000000'], b'landlock_create_ruleset'),
        (['l7ff2', 'L/proc/self/fd/0', 'L' + 5000 * '/x'], b'/x'),
    ):
        job, supervisor = bench.sh('echo ran').met()
        launch(supervisor, bench.box, 'a@1', *keys)
        frame = supervisor.until('B')['F']
        equal(frame[0], b'landlock')
        assert what in frame[2], frame
        job.quit(supervisor, 'code', 0)
    if os.getuid() == 0:  # no right to it, and no no_new_privs
        job, supervisor = bench.sh('echo ran', uid=NOBODY).met()
        launch(supervisor, bench.box, 'a@1', 'l7ff2')
        equal(supervisor.until('B')['F'], [b'landlock', b'1', b'landlock_restrict_self: Operation not permitted'])
        job.quit(supervisor, 'code', 0)


LOOKS = """import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
def other():
    for pid in filter(str.isdigit, os.listdir('/proc')):
        if b'four' + b'ty-two' in open(f'/proc/{pid}/cmdline', 'rb').read() and int(pid) != os.getpid():
            return int(pid)
while not (pid := other()):
    time.sleep(0.01)
print(len(os.listdir(f'/proc/{pid}/fd')) > 0, libc.ptrace(16, pid, 0, 0), os.waitpid(pid, 0x40000000)[0] == pid, libc.ptrace(17, pid, 0, 0))
start = int(next(line for line in open(f'/proc/{pid}/maps') if ' rw-p ' in line).split('-')[0], 16)
class iovec(ctypes.Structure):
    _fields_ = [('base', ctypes.c_void_p), ('size', ctypes.c_size_t)]
here, there = iovec(ctypes.addressof(ctypes.create_string_buffer(8)), 8), iovec(start, 8)
print(libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0))
os.kill(pid, 9)"""


@test('bwrap', 'user', builds=('static',))
def applications_within_a_wall_look_into_each_other(bench):
    scope = '/proc/sys/kernel/yama/ptrace_scope'
    if os.path.exists(scope) and open(scope).read().strip() != '0':
        raise Skip('Yama lets a process trace its descendants only')
    many = Applications(bench, *wall('/dev', '/proc'), *python('a', 'import time; time.sleep(100) # fourty-two'), *python('b', LOOKS),
                        *sh('c', f'echo >{bench.folder()}/x'))
    many.go(0, 1, 2)
    ended = [many.expect('Z')[:3] for _ in range(3)]
    equal(sorted(ended), [[b'0', b'1', b'9'], [b'1', b'1', b'0'], [b'2', b'1', b'512']])
    many.supervisor.send('W')
    many.supervisor.until('B')
    equal(many.job.quit(many.supervisor, 'code', 0)[1], b'True 0 True 0\n8\n')
