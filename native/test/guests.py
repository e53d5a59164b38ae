"""The tests of a system in the box: process 1, its guests, whose a command is there, and root's and subordinate ids."""
import atexit, os, pwd, subprocess, threading, time

from applications import Applications, python, sh
from harness import BOXES, BWRAP, NOBODY, PYTHON, USER_BWRAP, Skip, equal, launch, named, test, wait_for
from views import sub, tool, words

# process 1 of the system: says what it sees, then runs until it is told to end
FIRST = 'ls -d /proc/[0-9]* 2>/dev/null | wc -l; echo $$; trap "exit 5" TERM; : >"$0/up"; sleep 600 & while :; do wait $!; done'
STATUS = 'import re; s = open("/proc/self/status").read(); g = lambda k: " ".join(re.search(k + r":[ \\t]*(.*)", s).group(1).split()); '


def first(folder, *keys):
    return [*sh('first', FIRST, f'v{folder}'), 'P', *keys]


def needs_rights(bench):
    if bench.box == 'none' and os.getuid():
        raise Skip('without an engine only root makes a system')


def up(run, folder):
    """Process 1 has executed, and its trap is set; the pid of its keeper."""
    keeper = run.started(0)[0]
    wait_for(lambda: os.path.exists(f'{folder}/up'), what='process 1')
    return keeper


def say(name, *expressions):
    return python(name, STATUS + 'import os; print(' + ', '.join(expressions) + ', sep="|")')


def refused(bench, step, index, *strings, box=None):
    """That start of an application, the box goes on."""
    run = Applications(bench, *strings, box=box)
    run.go(index)
    failed = run.expect('F')
    equal((failed[0], failed[3:]), (step, [str(index).encode(), b'1']))
    run.close()
    return failed


@test('none', 'system', 'system-user')
def process_1_has_pids_and_a_proc_of_its_own(bench):
    needs_rights(bench)
    folder = bench.folder()
    run = Applications(bench, *first(folder), *sh('beside', 'ls -d /proc/[0-9]* 2>/dev/null | wc -l; readlink /proc/self/ns/pid'))
    up(run, folder)
    run.supervisor.send('K', 15, 0)
    equal(run.statuses(), {(0, 1): 5 << 8})
    run.started(1)
    run.ended()
    out, err, _ = run.close()
    lines = out.decode().split()
    # itself, the substitution and what it runs; of those beside nobody
    assert int(lines[0]) <= 4 and lines[1] == '1', out
    assert bench.box == 'none' or (int(lines[2]) > 3 and lines[3] != os.readlink('/proc/self/ns/pid')), out
    equal(err, b'')


@test('system', 'system-user')
def what_others_see_is_not_below_the_new_proc(bench):
    """Root of the system may unmount: it must not find the wrapper's processes there."""
    run = Applications(bench, *sh('first', 'umount /proc 2>/dev/null; grep -l tare-init /proc/[0-9]*/comm 2>/dev/null; echo end', 'P'))
    run.started(0)
    run.ended()
    equal(run.close()[0], b'end\n')


@test('none', 'system', 'system-user')
def masked_and_read_only_paths(bench):
    needs_rights(bench)
    script = ('wc -c </proc/keys; ls /proc/driver | wc -l; (: >/proc/sys/kernel/core_pattern) 2>&1 | grep -o "Read-only"; '
              'cat /proc/sys/kernel/ostype; grep -c . /proc/self/status >/dev/null && echo proc')
    run = Applications(bench, *sh('first', script), 'P', 'y/proc/keys', 'y/proc/driver', 'y/proc/no/such', 'z/proc/sys', 'z/proc/no-such')
    run.started(0)
    run.ended()
    out, err, _ = run.close()
    equal((out.split(), err), ([b'0', b'0', b'Read-only', b'Linux', b'proc'], b''))
    assert open('/proc/sys/kernel/core_pattern').read().strip(), 'of this machine'


@test('none', 'system', 'system-user')
def a_guest_is_where_process_1_is(bench):
    needs_rights(bench)
    folder = bench.folder()
    see = 'readlink /proc/1/ns/pid /proc/1/ns/mnt /proc/self/ns/pid /proc/self/ns/mnt; ' \
          'tr "\\0" " " </proc/1/cmdline; ls /proc/driver | wc -l; kill -TERM 1'
    # descriptors of the caller's under every number that the guest's own could have
    prep = 'for fd in range(3, 40): os.dup2(0, fd)\n'
    run = Applications(bench, *first(folder, 'y/proc/driver'), *sh('guest', see, 'Q0'), prep=prep)
    up(run, folder)
    run.started(1)
    found = run.statuses(2)
    equal(found[0, 1], 5 << 8)  # what the guest sent has reached process 1
    assert found[1, 1] in (0, 9), found  # by then it had ended, or did with process 1
    out, err, _ = run.close()
    lines = out.decode().splitlines()[2:]
    equal((lines[0:2], err), (lines[2:4], b''))
    assert folder in lines[4] and lines[4].endswith('0'), out


@test('none', 'system', 'system-user')
def guests_die_with_process_1(bench):
    needs_rights(bench)
    folder = bench.folder()
    run = Applications(bench, *first(folder), *sh('guest', f'sleep 61 & setsid sleep 61 & : >{folder}/guest; exec sleep 61', 'Q0'),
                       *sh('beside', 'exec sleep 61'))
    up(run, folder)
    run.started(1, 2)
    wait_for(lambda: os.path.exists(f'{folder}/guest'), what='the guest')
    run.supervisor.send('K', 9, 0)
    equal(run.statuses(2), {(0, 1): 9, (1, 1): 9})
    run.supervisor.send('K', 15, 2)
    equal(run.statuses(), {(2, 1): 15})
    run.close()


@test('none', 'system', 'system-user')
def a_guest_leaves_what_it_started_to_process_1(bench):
    needs_rights(bench)
    folder = bench.folder()
    run = Applications(bench, *first(folder), *sh('guest', '(setsid sleep 62 & echo) >/dev/null', 'Q0'),
                       *sh('again', 'cat /proc/[0-9]*/cmdline | tr "\\0" " " | grep -o "sleep 62"', 'Q0'))
    up(run, folder)
    for index in (1, 2):
        run.started(index)
        equal(run.statuses(), {(index, 1): 0})
    run.supervisor.send('A', 0)
    run.ended()
    assert run.close()[0].endswith(b'sleep 62\n')


@test('none', 'system')
def keepers_hold_nothing_of_process_1(bench):
    if os.getuid():
        raise Skip('only root can look into a process that is not dumpable')
    folder = bench.folder()
    run = Applications(bench, *first(folder), *sh('guest', f'ls -l /proc/self/fd >&2; : >{folder}/guest; exec sleep 61', 'Q0'))
    up(run, folder)
    keeper = run.started(1)[1]
    wait_for(lambda: os.path.exists(f'{folder}/guest'), what='the guest')
    held = [os.readlink(f'/proc/{keeper}/fd/{fd}') for fd in os.listdir(f'/proc/{keeper}/fd')]
    equal([name for name in held if ':[' in name and name.split(':')[0] in ('pid', 'mnt', 'cgroup')], [])
    run.supervisor.send('A', 0)
    run.ended(2)
    _, err, _ = run.close()
    assert b'mnt:' not in err and b'pid:' not in err, err


@test('none', 'system', 'system-user')
def a_guest_without_its_host_is_told(bench):
    needs_rights(bench)
    guest = sh('guest', 'echo ran', 'Q0')
    folder = bench.folder()
    refused(bench, b'system', 1, *first(folder), *guest)
    run = Applications(bench, *first(folder), *guest)
    up(run, folder)
    run.supervisor.send('K', 15, 0)
    run.ended()
    run.go(1)
    equal(run.expect('F')[0], b'system')
    equal(run.close()[0].count(b'ran'), 0)


@test('none', 'system', 'system-user')
def a_guest_waits_for_the_exec_of_process_1(bench):
    """Before it, that one's namespaces are still the box's, which is no place for a guest."""
    needs_rights(bench)
    run = Applications(bench, *first(bench.folder()), *sh('guest', 'echo ran', 'Q0'), 'pkeeper-forked')
    run.go(0)
    wait_for(lambda: named(run.job, '@keeper-forked'), what='the keeper')
    run.go(1)
    failed = run.expect('F')
    equal((failed[0], failed[1], failed[3]), (b'system', b'11', b'1'))
    run.supervisor.send('A')
    run.supervisor.until('B')
    equal(run.job.quit(run.supervisor, 'code', 0)[:2], (0, b''))


@test('user')
def a_system_without_capabilities_is_told(bench):
    equal(refused(bench, b'system', 0, *first(bench.folder()))[1], b'1')


@test('none')
def a_system_that_cannot_be_made_is_told(bench):
    needs_rights(bench)
    assert b'/no/such' in refused(bench, b'system', 0, *first(bench.folder(), 'g/no/such'))[2]


@test('none', 'bwrap', 'user', builds=('static',))
def keys_of_a_system_stand_together(bench):
    one, another = sh('one', 'exit 0'), sh('two', 'exit 0')
    job, supervisor = bench.job(['/bin/false']).met()
    for strings in ([*one, 'b'], [*one, 'g/x'], [*one, 'y/proc/keys'], [*one, 'z/proc/sys'], [*one, 'Q0'], [*one, 'Q1'], [*one, 'P', 'Q0'],
                    [*one, 'Q1', *another], [*one, 'P', *another, 'Q2'], [*one, 'x-1 0'], [*one, 'x4294967295 0'], [*one, 'x 1 2'],
                    [*one, 'c-1'], [*one, 'c 1'], [*one, 'c0x1'], [*one, 'c' + '1' * 17], ['a@1', 'P', 'b'], ['a@1', 'P', 'x1 2'], ['a@1', 'P', 'q0 0 '],
                    ['a@1', 'P', 'w/a', 'w/b'], ['a@1', 'P', 'H'], ['a@1', 'P', 'l2'], ['a@1', 'Q0'], ['a@1', 'S'],
                    ['a@1', 'x1'], ['nx', *one], ['q0 0 ', *one]):
        launch(supervisor, bench.box, *strings)
        frame = supervisor.expect('F')
        equal((strings, frame[0], frame[1]), (strings, b'protocol', b'22'))
        supervisor.expect('B')
    job.quit(supervisor, 'code', 0)


# --- the only payload as process 1 -------------------------------------------------------------------------------

ALONE = 'echo $$ $PPID $(ls -d /proc/[0-9]* | wc -l) $(id -u) $(cat /proc/self/uid_map); grep -E "^Cap(Prm|Bnd|Amb)" /proc/self/status; '


@test('none', 'user')
def the_only_payload_is_process_1(bench):
    """No right over the box is needed, and what it leaves the kernel kills with it."""
    job = bench.sh(ALONE + 'setsid sleep 6301 & sleep 6302 & exit 5')
    code, out, err, frames = job.run(bench.box, 'a@1', 'P', 'd/')
    head, *capabilities = out.decode().splitlines()
    uid = str(os.getuid() if bench.uid is None else bench.uid)
    first, parent, seen, *ids = head.split()
    equal((code, err, first, parent, ids), (5, b'', '1', '0', [uid, uid, uid, '1']))
    assert int(seen) <= 4, head  # itself, the substitution, and what that runs
    equal([line.split()[1] for line in capabilities], ['0' * 16] * 3)
    report = frames['E']
    equal((int(report[0]), report[6]), (5 << 8, b''))  # how many were left only the kernel knows
    assert int(report[5]) > 0, report
    assert job.gone('sleep 630'), job.left('sleep 630')


@test('none', 'user')
def process_1_gets_the_signals_that_it_has_a_handler_for(bench):
    job, supervisor = bench.started('trap "echo told; exit 6" USR1; trap "" HUP; echo up; while :; do sleep 0.05; done', 'P', stdout=subprocess.PIPE)
    equal(job.process.stdout.readline(), b'up\n')
    supervisor.send('K', 15)  # the kernel does not deliver it
    supervisor.send('K', 1)
    supervisor.send('K', 10)
    equal(job.ended(supervisor)[:3], (6, b'told\n', b''))


@test('none', 'user')
def process_1_ends_by_a_fault_and_by_kill(bench):
    fault = bench.job([PYTHON, '-I', '-c', 'import ctypes; ctypes.string_at(0)'])
    equal(fault.run(bench.box, 'a@1', 'P', 'rcore 0 0')[0], -11)
    equal(bench.sh('kill -9 $$; kill -TERM $$; exit 4').run(bench.box, 'a@1', 'P')[0], 4)  # by itself it cannot
    job, supervisor = bench.started('sleep 6311 & setsid sleep 6312', 'P')
    supervisor.send('A')
    equal(job.ended(supervisor)[0], -9)
    assert job.gone('sleep 631'), job.left('sleep 631')


@test('user')
def where_process_1_finds_no_whole_proc_it_is_told(bench):
    """The kernel gives a new /proc only to who sees a whole one."""
    BOXES['covered'] = ['E' + e for e in [*USER_BWRAP[:-4], '--tmpfs', '/proc/fs', *USER_BWRAP[-4:]]]
    job, supervisor = bench.sh('echo ran').met()
    supervisor.send('S', job.folder)
    supervisor.start('covered', 'a@1', 'P')
    frames = supervisor.until('B')
    equal(('X' in frames, frames['F'][:3]), (False, [b'system', b'1', b'/proc: Operation not permitted']))
    equal(job.quit(supervisor, 'code', 125)[:2], (125, b''))


# --- whose it is -------------------------------------------------------------------------------------------------

NONE = '0' * 16
WHO = ['g("Uid")', 'g("Gid")', 'g("Groups")', 'g("CapEff")', 'g("CapPrm")', 'g("CapBnd")', 'g("NoNewPrivs")', 'os.getcwd()']


@test('none', 'bwrap')
def an_application_takes_an_identity(bench):
    if os.getuid():
        raise Skip('only root takes another identity')
    box = 'system-root' if bench.box == 'bwrap' else 'none'
    if box != 'none':
        BOXES[box] = ['E' + e for e in BWRAP[:1] + ['--cap-add', 'ALL'] + BWRAP[1:]]
    run = Applications(bench, *say('own', *WHO), 'd/', 'q1234 2345 7,8', 'c0', 'n', *say('two', *WHO), 'd/', 'q99 98 ',
                       *say('root', *WHO), 'd/', 'c400', *say('nested', *WHO), 'd/', 'q1234 2345 ', 'x0 5', 'c0', box=box)
    for index in range(4):
        run.started(index)
        run.ended()
    out, err, _ = run.close()
    lines = [line.split('|') for line in out.decode().splitlines()]
    four = lambda number: ' '.join([str(number)] * 4)
    equal(lines[0], [four(1234), four(2345), '7 8', NONE, NONE, NONE, '1', '/'])
    privileges = '1' if bench.box == 'bwrap' else '0'  # bubblewrap sets it for all
    equal(lines[1][:5] + lines[1][6:7], [four(99), four(98), '', NONE, NONE, privileges])  # what is of the first is not of the second
    assert lines[1][5] != NONE, lines[1]
    equal(lines[2][:2] + lines[2][3:7], [four(0), four(0), *['400'.rjust(16, '0')] * 3, privileges])
    equal(lines[3][:2] + lines[3][3:6], [four(0), four(5), NONE, NONE, NONE])
    equal(err, b'')


@test('none', 'bwrap', 'system', 'system-user', 'user')
def an_application_is_a_user_of_its_own(bench):
    """In a user namespace, for which no rights are needed."""
    run = Applications(bench, *say('own', *WHO), 'd/', 'x1234 2345', 'c0', 'n', *say('kept', *WHO), 'd/', 'x0 0', 'c2000c0')
    for index in range(2):
        run.started(index)
        run.ended()
    out, err, _ = run.close()
    own, kept = [line.split('|') for line in out.decode().splitlines()]
    equal(own[:2] + own[3:], [' '.join(['1234'] * 4), ' '.join(['2345'] * 4), NONE, NONE, NONE, '1', '/'])
    equal(kept[:1] + kept[3:6], ['0 0 0 0', *['2000c0'.rjust(16, '0')] * 3])
    equal(err, b'')


@test('none', 'bwrap', 'user')
def the_only_payload_is_a_user_of_its_own(bench):
    job = bench.job([*[one[1:] for one in say('x', *WHO)[1:]]])
    code, out, err, _ = job.run(bench.box, 'a@1', 'x77 78', 'c0', 'n', 'd/')
    line = out.decode().strip().split('|')
    equal((code, line[0], line[1], line[3:7]), (0, '77 77 77 77', '78 78 78 78', [NONE, NONE, NONE, '1']))


@test('user')
def an_identity_that_cannot_be_taken_is_told(bench):
    failed = refused(bench, b'identity', 0, *sh('one', 'echo ran', 'q0 0 '))
    assert failed[1] == b'1' and failed[2].startswith(b'setgroups'), failed
    assert b'capabilities' in refused(bench, b'identity', 0, *sh('one', 'echo ran', 'c0'))[2]


@test('none', 'bwrap')
def no_new_privileges_are_common_or_own(bench):
    box = 'none' if bench.box == 'bwrap' else bench.box  # bubblewrap sets it for all
    run = Applications(bench, *say('with', 'g("NoNewPrivs")'), 'n', *say('without', 'g("NoNewPrivs")'), box=box)
    for index in range(2):
        run.started(index)
        run.ended()
    equal(run.close()[0], b'1\n0\n')
    run = Applications(bench, 'n', *say('one', 'g("NoNewPrivs")'), *say('two', 'g("NoNewPrivs")'), box=box)
    for index in range(2):
        run.started(index)
        run.ended()
    equal(run.close()[0], b'1\n1\n')


@test('none', 'bwrap', 'user')
def services_get_no_signal_of_the_caller_s(bench):
    folder = bench.folder()
    ready = lambda name: f'trap "echo {name} got; exit 3" TERM; : >{folder}/{name}; sleep 600 & while :; do wait $!; done'
    run = Applications(bench, *sh('service', ready('service'), 'S'), *sh('job', ready('job')))
    run.started(0, 1)
    wait_for(lambda: len(os.listdir(folder)) == 2, what='both')
    os.kill(run.job.pid, 15)
    equal(run.supervisor.expect('N'), [b'15'])
    equal(run.statuses(), {(1, 1): 3 << 8})
    run.supervisor.send('K', 15, 0)  # the supervisor's it gets
    equal(run.statuses(), {(0, 1): 3 << 8})
    equal(run.close()[0], b'job got\nservice got\n')


# --- root and subordinate ids -------------------------------------------------------------------------------------

def subordinate(kind, name):
    with open(f'/etc/{kind}') as f:
        for line in f:
            fields = line.strip().split(':')
            if fields[0] == name:
                return fields[1:3]
    return None


MAKING = threading.Lock()


def account():
    """uid, gid, [start, count, start, count] of an account with subordinate ids; root makes one that nobody else ends the processes of."""
    if not os.path.exists('/usr/bin/newuidmap') or not os.path.exists('/usr/bin/newgidmap'):
        raise Skip('no newuidmap, newgidmap')
    entry = pwd.getpwuid(os.getuid()) if os.getuid() else made('tare-subids')
    ids = [subordinate(kind, entry.pw_name) if os.path.exists(f'/etc/{kind}') else None for kind in ('subuid', 'subgid')]
    if not all(ids):
        raise Skip(f'{entry.pw_name} has no subordinate ids')
    return entry.pw_uid, entry.pw_gid, [*ids[0], *ids[1]]


def made(name):
    with MAKING:
        run = subprocess.run(['useradd', '--no-create-home', name], capture_output=True)
        if run.returncode == 0:
            atexit.register(subprocess.run, ['userdel', name], capture_output=True)
        elif run.returncode != 9:  # there by now
            raise Skip('useradd makes no account')
        return pwd.getpwnam(name)


MAPS = 'cat /proc/self/uid_map /proc/self/gid_map; grep CapEff /proc/self/status; mount -t tmpfs none "$0" && echo mounted'


@test('none')
def root_of_the_caller_alone(bench):
    folder = bench.folder()
    for uid in (None, NOBODY) if os.getuid() == 0 else (None,):
        code, out, err, _ = bench.sh(MAPS, folder, uid=uid).run(bench.box, 'a@1', *words('root', 0, 0, 0, 0))
        own = os.getuid() if uid is None else uid
        group = os.getgid() if uid is None else uid
        lines = [line.split() for line in out.decode().splitlines()]
        equal((code, lines[:2], lines[3]), (0, [['0', str(own), '1'], ['0', str(group), '1']], ['mounted']))
        assert int(lines[2][1], 16) & 1 << 21, err
        equal(os.path.ismount(folder), False)


def launch_by(bench, uid, gid, script, *arguments):
    """The shim as that account, whose group is not its uid."""
    prep = f'os.setgroups([]); os.setresgid({gid},{gid},{gid}); os.setresuid({uid},{uid},{uid})\n' if os.getuid() == 0 else ''
    return bench.sh(script, *arguments, uid=None, prep=prep)


@test('none')
def root_with_subordinate_ids(bench):
    uid, gid, ids = account()
    folder = bench.folder()
    script = MAPS + '; umount "$0"; : >"$0/f" && chown 5:6 "$0/f" && stat -c %u:%g "$0/f"'
    code, out, err, _ = launch_by(bench, uid, gid, script, folder).run(bench.box, 'a@1', *words('root', *ids))
    lines = [line.split() for line in out.decode().splitlines()]
    equal((code, err, lines[:4]), (0, b'', [['0', str(uid), '1'], ['1', *ids[:2]], ['0', str(gid), '1'], ['1', *ids[2:]]]))
    equal(lines[5:], [['mounted'], ['5:6']])
    found = os.stat(f'{folder}/f')
    equal((found.st_uid, found.st_gid), (int(ids[0]) + 4, int(ids[2]) + 5))


@test('none')
def ids_that_are_not_the_caller_s_are_refused(bench):
    uid, gid, ids = account()
    for wrong in ([int(ids[0]) + 100000000, 1, *ids[2:]], [*ids[:2], int(ids[2]) + 100000000, 1], ['x', '1', *ids[2:]], [0, 1, 0, 1]):
        job = launch_by(bench, uid, gid, 'echo ran')
        supervisor = job.supervisor()
        launch(supervisor, bench.box, 'a@1', *words('root', *wrong))
        equal(supervisor.expect('F')[:2], [b'root', b'1'])
        supervisor.expect('B')
        job.quit(supervisor, 'code', 3)
    job, supervisor = bench.sh('echo ran').met()
    launch(supervisor, bench.box, 'a@1', *words('root', 0, 0))
    equal(supervisor.expect('F')[0], b'protocol')
    supervisor.expect('B')
    job.quit(supervisor, 'code', 3)


@test('', builds=('static', 'sane'))
def what_is_of_subordinate_ids_is_cleared(bench):
    if os.getuid():
        raise Skip('needs root to become an account with subordinate ids')
    uid, gid, ids = account()
    outside = sub(bench.folder(), 'outside')[0]
    with open(f'{outside}/stays', 'w'):
        pass
    both = sub(bench.folder(), 'one', 'two')
    for path in both:
        os.chown(path, uid, gid)
        deep = path
        for name in ('a', 'b'):
            deep += f'/{name}'
            os.mkdir(deep)
            with open(f'{deep}/f', 'w'):
                pass
            os.chown(f'{deep}/f', int(ids[0]) + 7, int(ids[2]))
            os.symlink(outside, f'{deep}/link')
            os.chmod(deep, 0)
            os.chown(deep, int(ids[0]), int(ids[2]))
        here = os.open(path, os.O_RDONLY)
        for _ in range(60):  # longer than a path may be
            os.mkdir('long' * 50, dir_fd=here)
            os.chown('long' * 50, uid, gid, dir_fd=here)
            below = os.open('long' * 50, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        os.close(here)
    os.chmod(os.path.dirname(both[0]), 0o777)
    code, _ = tool(bench, 'tare-clear', *ids, *both, uid=uid, gid=gid)
    equal((code, [os.path.exists(path) for path in both], os.listdir(outside)), (0, [False, False], ['stays']))
    # what is not the account's stays, and is told
    with open(f'{both[0]}-root', 'w'):
        pass
    os.chmod(os.path.dirname(both[0]), 0o755)
    equal(tool(bench, 'tare-clear', *ids, f'{both[0]}-root', uid=uid, gid=gid)[0], 125)
    equal(tool(bench, 'tare-clear', ids[0], ids[1], 'x', '1', both[0], uid=uid, gid=gid)[0], 125)
    equal(tool(bench, 'tare-clear', *ids, f'{both[0]}/no/such', uid=uid, gid=gid)[0], 0)
