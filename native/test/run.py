"""The tests of native/. One line per test; the last line counts. TARE_MUST_WORK=1: a skip is a failure."""
import errno, glob, os, re, shutil, signal, stat, struct, subprocess, sys, tempfile, time, traceback
from concurrent.futures import ThreadPoolExecutor

import applications, guests  # their tests
from harness import (BOXES, BRIDGED, BWRAP, NATIVE, NEW_BRIDGE, NOBODY, PYTHON, TESTS, Bench, Ended, Skip, Tree, b, cgroups, comm, equal, launch, named,
                     test, wait_for)
import terminals, views, walls

TOGETHER = 4


# --- the end -----------------------------------------------------------------------------------------------------

@test('none', builds=('static',))
def exit_codes(bench):
    def one(code):
        equal(bench.sh(f'exit {code}').run(bench.box, 'a@1')[0], code)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(256)))


@test('none', builds=('static',))
def the_clock_is_told(bench):
    job, supervisor = bench.job(['true']).met()
    before = time.monotonic()
    supervisor.send('T')
    told = int(supervisor.expect('T')[0]) / 1e6
    assert before <= told <= time.monotonic(), told
    job.quit(supervisor, 'code', 7)


@test('bwrap', 'user', 'bridge')
def some_exit_codes(bench):
    for code in (0, 1, 125, 128 + 9, 255):
        equal(bench.sh(f'exit {code}').run(bench.box, 'a@1')[0], code)


@test('none', 'bwrap', 'bridge')
def terminating_signals(bench):
    harmless = {signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH, signal.SIGSTOP, signal.SIGTSTP,
                signal.SIGTTIN, signal.SIGTTOU}
    wanted = [n for n in range(1, 65) if n not in harmless]
    if 'sane' in bench.name:
        wanted = [1, 6, 9, 11, 13, 15, 32, 33, 34, 64]

    def one(n):
        equal(bench.sh(f'kill -{n} $$; sleep 5').run(bench.box, 'a@1')[0], -n)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, wanted))


@test('', builds=('static', 'sane'))
def quit_without_a_box(bench):
    for kind, number, wanted in (('code', 126, 126), ('signal', 9, -9), ('signal', 64, -64), ('status', 7 << 8, 7),
                                 ('status', 15, -15)):
        job, supervisor = bench.sh('exit 3').met()
        equal(supervisor.hello[0], b'fresh')
        equal(job.quit(supervisor, kind, number)[0], wanted)


@test('', builds=('static',))
def say_and_quit(bench):
    job, supervisor = bench.sh('exit 3').met()
    supervisor.send('Y', 'tare: no, because')
    code, out, err = job.quit(supervisor, 'code', 126)
    equal((code, out, err), (126, b'', b'tare: no, because\n'))


# --- as with exec ------------------------------------------------------------------------------------------------

PREP = '''
os.umask(0o137)
resource.setrlimit(resource.RLIMIT_NOFILE, (%(nofile)s, 4000))
resource.setrlimit(resource.RLIMIT_CORE, (0, 4096))
resource.setrlimit(resource.RLIMIT_STACK, (4 << 20, resource.RLIM_INFINITY))
resource.setrlimit(resource.RLIMIT_CPU, (77, 99))
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
for s in (signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, 40): signal.signal(s, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGTERM, 64])
os.nice(3)
os.chdir(%(cwd)r)
f = os.open('/usr/bin/env', os.O_RDONLY); os.lseek(f, 7, 0)
for n in (%(open)s): os.dup2(f, n, inheritable=True)
for n in (%(closed)s):
    try: os.close(n)
    except OSError: pass
'''


def both(bench, *keys, argv=(), env=None, run=None, **prep):
    """The probe's texts, bare and through Tare."""
    prep = {'open': '', 'closed': '', 'cwd': '/usr/share', 'nofile': '2000', **prep}
    texts = []
    for bare in (True, False):
        folder = bench.folder()
        text = os.path.join(folder, 'text')
        job = bench.job([os.path.join(bench.tree.path, 'probe'), text, *argv], prep=PREP % prep, bare=bare,
                        **({'env': env} if env is not None else {}))
        if bare:
            code, out, err = job.wait()
        else:
            code, out, err = run(job) if run else job.run(bench.box, *(keys or ('a@1',)))[:3]
        equal((code, out, err), (0, b'', b''))
        with open(text, errors='replace') as f:
            texts.append(f.read().replace(job.folder, 'FOLDER').replace(folder, 'PROBE'))
    # pipes have other numbers in the two runs
    return [re.sub(r'pipe:\[\d+\]', 'pipe', t) for t in texts]


@test('none', 'bwrap', 'user', 'bridge')
def as_with_exec(bench):
    for prep in ({'open': '3, 5, 7, 9, 20, 100, 1999', 'closed': ''}, {'open': '3, 4, 5, 6, 7, 8, 10, 11, 12',
                 'closed': '0,'}, {'open': '9,', 'closed': '0, 1, 2'}, {'closed': '2, 3, 4, 5'},
                 {'open': '0, 1, 2', 'closed': '4,'}):
        equal(*both(bench, **prep)[::-1])


@test('none', 'bwrap')
def odd_arguments(bench):
    equal(*both(bench, argv=['', 'a\nb', b'\xff\xfe', ' ', '@1', "'"]))


@test('none', 'bwrap')
def large_environment(bench):
    env = {f'V{i:03}': 'x' * 8000 for i in range(130)}
    env[b'ODD\xff'.decode(errors='surrogateescape')] = '\udcfe\n'
    equal(*both(bench, env=env))


@test('none', 'bwrap', 'bridge', builds=('static',))
def many_descriptors(bench):
    equal(*both(bench, open='*range(3, 700), 1500'))


@test('none', 'bwrap', 'user')
def low_nofile(bench):
    equal(*both(bench, nofile='12', open='4, 5, 6, 7, 11'))


@test('', builds=('static',))
def low_stack(bench):
    # the kernel leaves up to 8 KiB of it unused
    prep = 'resource.setrlimit(resource.RLIMIT_STACK, (18 << 10, 18 << 10))'
    job = bench.job(['true'], prep=prep, env={'PATH': '/usr/bin:/bin'})
    equal(job.quit(job.supervisor(), 'code', 7)[0], 7)


@test('none', 'bwrap')
def environment_and_directory_keys(bench):
    job = bench.job(['/bin/sh', '-c', 'x'], env={'A': '1', 'B': '2', 'C': '3', 'PATH': '/usr/bin:/bin'})
    code, out, _, _ = job.run(bench.box, 'ash', 'a-c', 'aecho "$A-$B-$D-${C-none}"; pwd; ulimit -n; ulimit -Hn',
                              'eB=5', 'eD=x=y', 'uC', 'd/usr', 'rnofile 100 unlimited')
    equal(code, 0)
    lines = out.decode().split('\n')
    equal(lines[:3], ['1-5-x=y-none', '/usr', '100'])
    job = bench.sh('x', env={'A': '1'})
    equal(job.run(bench.box, 'a/usr/bin/env', '0', 'eZ=1')[1], b'Z=1\n')


@test('none', builds=('static',))
def literal_argument_that_looks_like_an_index(bench):
    job = bench.job(['/bin/echo', 'caller'])
    equal(job.run(bench.box, 'a/bin/echo', 'v@1', 'a@1')[1], b'@1 /bin/echo caller\n')


@test('none', 'bwrap', 'bridge')
def payload_leads_its_group_and_has_no_stray_descriptors(bench):
    job = bench.job([PYTHON, '-I', '-c', 'import os; print(os.getpid() == os.getpgrp(), len(os.listdir("/proc/self/fd")))'])
    equal(job.run(bench.box, 'a@1')[1], b'True 4\n')


@test('none', 'bwrap')
def pipe_reader_sees_the_end(bench):
    job, supervisor = bench.started('exec >&- 2>&-; exec sleep 30')
    job.process.stdout.read()
    job.process.stderr.read()
    supervisor.send('A')
    equal(supervisor.until('B')['E'][0], b'9')


@test('none', 'bwrap')
def a_box_can_be_held_for_others(bench):
    job, supervisor = bench.started('echo never', 'H')
    wait_for(lambda: comm(job.payload) == 'tare-hold')
    wait_for(lambda: not os.listdir(f'/proc/{job.payload}/fd'))
    job.process.stdout.read()  # it keeps nobody's output open
    os.kill(job.pid, signal.SIGTERM)
    supervisor.expect('N')
    supervisor.send('K', signal.SIGHUP.value)
    supervisor.send('T')
    supervisor.expect('T')
    time.sleep(0.1)
    equal(comm(job.payload), 'tare-hold')
    supervisor.send('A')
    equal(supervisor.until('B')['E'][0], b'9')
    equal(job.quit(supervisor, 'code', 0)[:2], (0, b''))


@test('none', 'bwrap')
def no_new_privs_oom_and_cpus(bench):
    job = bench.sh('grep -E "NoNewPrivs|Cpus_allowed_list" /proc/self/status; cat /proc/self/oom_score_adj')
    out = job.run(bench.box, 'a@1', 'n', 'O500', 'C0')[1].decode()
    assert 'NoNewPrivs:\t1' in out and 'list:\t0\n' in out and out.endswith('500\n'), out
    # HTCondor's jobs have 800 already
    job = bench.job(['/bin/cat', '/proc/self/oom_score_adj'], prep="open('/proc/self/oom_score_adj', 'w').write('800')\n")
    equal(job.run(bench.box, 'a@1', 'O500')[1], b'800\n')


@test('none', 'bwrap')
def a_nice_value_is_the_payload_s_alone_and_only_raised(bench):
    # whoever runs the tests may be nice already, and only root can change that
    least = 0 if os.getuid() == 0 else os.getpriority(os.PRIO_PROCESS, 0)
    script = """
import os, subprocess
print(*(os.getpriority(os.PRIO_PROCESS, pid) for pid in (0, os.getppid())), subprocess.check_output('nice').decode().strip())
"""
    for before, wanted in ((0, 7), (9, 7), (0, 0), (0, 19)):
        caller = max(least, before)
        job = bench.job([PYTHON, '-I', '-c', script], prep=f'os.setpriority(os.PRIO_PROCESS, 0, {caller})')
        value = max(caller, wanted)
        equal(job.run(bench.box, 'a@1', f's{wanted}')[1], f'{value} {caller} {value}\n'.encode())


UNAME = {'x86_64': 63, 'aarch64': 160}.get(os.uname().machine)
# load its number; is it uname's; error 77; allowed
NO_UNAME = '0020000000000000' f'00150001{UNAME or 0:08x}' '000600000005004d' '000600007fff0000'


@test('none', 'bwrap')
def a_filter_is_the_payload_s_alone(bench):
    if UNAME is None:
        raise Skip('its number of uname(2) is not known here')
    script = 'grep -H ^Seccomp: /proc/$PPID/status /proc/self/status; uname -s 2>/dev/null || echo denied'
    out = bench.sh(script).run(bench.box, 'a@1', 'n', f'f{NO_UNAME}')[1].decode()
    equal([line.rpartition(':')[2].strip() for line in out.splitlines()], ['0', '2', 'denied'])


@test('none', 'bwrap', builds=('static',))
def identity(bench):
    if os.getuid():
        raise Skip('needs root')
    box = 'none' if bench.box == 'none' else 'user'
    job = bench.sh('id -u; id -g; id -G')
    equal(job.run(box, 'a@1', f'U{NOBODY} {NOBODY} {NOBODY}', 'O300')[1], f'{NOBODY}\n'.encode() * 3)


@test('', builds=('static',))
def the_supervisor_s_surroundings(bench):
    job = bench.job(['/bin/true'], prep='''
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.umask(0)
os.dup2(1, 7, inheritable=True)
''', env={'NODE_OPTIONS': '--x', 'PYTHONHOME': '/proc/nowhere', 'TERM': 'xterm', 'A': 'b'})
    supervisor = job.supervisor()
    equal((supervisor.argv, supervisor.environment, supervisor.out), ('@shim=3', 'PATH,LANG', '/dev/null'))
    equal(supervisor.fds, '0,1,2,3')
    equal(os.getsid(supervisor.pid), supervisor.pid)
    hello = supervisor.hello
    equal(hello[:3], [b'fresh', b'', b(job.pid)])
    assert 0 <= time.monotonic() - int(hello[3]) / 1e6 < 5, hello[3]
    equal(hello[4:6], [b'0000', b'1'])
    equal(hello[6:8], [b'2', b(os.path.join(bench.tree.path, 'tare-wrap'))])
    assert b'NODE_OPTIONS=--x' in hello
    with open(f'/proc/{supervisor.pid}/status') as f:
        status = f.read()
    assert 'SigBlk:\t0000000000000000' in status and 'Umask:\t0022' in status, status
    job.quit(supervisor, 'code', 0)


@test('', builds=('static',))
def command_line_supervisor(bench):
    job, supervisor = bench.job(['run', '--flag'], name='tare', env={'NO_COLOR': '1', 'TERM': 'dumb', 'X': 'y', 'SLURM_JOB_ID': '5'}).met()
    equal((supervisor.argv, supervisor.environment), ('@shim=3 run --flag', 'PATH,LANG,HOME,SHELL,TERM,NO_COLOR'))
    assert supervisor.out.startswith('pipe:')
    supervisor.start('bwrap', 'a/bin/echo', 'ahi')
    equal(job.ended(supervisor)[:2], (0, b'hi\n'))


@test('', builds=('static',))
def a_job_on_standard_input(bench):
    """`tare run - --stdin FILE`: each supervisor has the descriptor, which nobody can change, and the payload has FILE."""
    path = os.path.join(bench.folder(), 'payload')
    with open(path, 'w') as f:
        f.write('for the payload')
    job = bench.job(['run', '-', '--flag', '--stdin', path], name='tare', stdin=subprocess.PIPE)
    job.process.stdin.write(b'schema: x\n' * 10000)
    job.process.stdin.close()
    job.process.stdin = None
    for kill in (True, False):
        supervisor = job.supervisor()
        with open(f'/proc/{supervisor.pid}/fd/0', 'rb+', buffering=0) as f:
            equal(f.read(), b'schema: x\n' * 10000)
            try:
                f.write(b'x')
                assert False, 'it can be written to'
            except PermissionError:
                pass
        with open(f'/proc/{supervisor.pid}/fdinfo/0') as f:
            assert f.read().startswith('pos:\t0\n')
        if kill:
            os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.start('bwrap', 'a/bin/cat')
    equal(job.ended(supervisor)[:2], (0, b'for the payload'))


@test('', builds=('static',))
def standard_input_that_is_named(bench):
    def run(*argv, stdin=b'', **more):
        out = subprocess.run([os.path.join(bench.tree.path, 'tare'), 'run', *argv], input=stdin, capture_output=True, **more)
        return out.returncode, out.stderr
    equal(run('--stdin=/nowhere/x', '--', 'true'),
          (125, b'tare: /nowhere/x, for standard input (--stdin): No such file or directory\n'))
    equal(run('-', stdin=b'x' * ((1 << 20) + 1)), (125, b'tare: standard input: a job descriptor has at most 1048576 bytes\n'))
    equal(run('-', stdin=None, preexec_fn=lambda: os.close(0)),
          (125, b'tare: standard input, with the job descriptor: Bad file descriptor\n'))
    job, supervisor = bench.job(['run', '--stdin', '/etc/hostname', '--', '--stdin', '/nowhere'], name='tare').met()
    equal(os.readlink(f'/proc/{job.pid}/fd/0'), '/etc/hostname')
    equal(os.readlink(f'/proc/{supervisor.pid}/fd/0'), '/dev/null')
    job.quit(supervisor, 'code', 0)


@test('', builds=('static',))
def other_command_lines_are_only_executed(bench):
    tree = bench.tree_of('build/tare', '/usr/bin/env', '-0')
    # the script is beside the executable, so env takes it for a program and says so
    out = subprocess.run([os.path.join(tree.path, 'tare'), 'doctor'], env={'NODE_OPTIONS': 'x', 'PATH': '/bin'},
                         capture_output=True)
    assert b'-0' in out.stderr, out
    with open(os.path.join(tree.path, 'tare.supervisor'), 'w') as f:
        f.write('/usr/bin/env\n\n\n')
    out = subprocess.run([os.path.join(tree.path, 'tare')], env={'NODE_OPTIONS': 'x', 'PATH': '/bin', 'TZ': 'UTC'},
                         capture_output=True)
    equal(out.stdout, b'HOME=/\nSHELL=/bin/sh\nPATH=/bin\nTZ=UTC\n')


@test('', builds=('static', 'sane'))
def the_kill_switch_is_a_plain_exec(bench):
    def run(job):
        supervisor = job.supervisor()
        supervisor.send('D', 'a@1')
        return job.wait()
    equal(*both(bench, open='3, 4, 5, 9, 20', closed='0,', run=run))
    job = bench.sh('echo $$; pgrep -P $$ | wc -l; kill -40 $$')
    code, out, _ = run(job)
    equal((code, out.split()[0]), (-40, b(job.pid)))
    job, supervisor = bench.sh('exit 0').met()
    os.kill(job.pid, signal.SIGTERM)
    time.sleep(0.05)
    supervisor.send('D', 'a@1')
    equal(job.wait()[0], -15)
    for keys, words in ((['a/proc/nowhere/x'], b'No such file'), (['a@1', 'Ex'], b'box'), ([], b'no argv')):
        job, supervisor = bench.sh('exit 0').met()
        supervisor.send('D', *keys)
        code, _, err = job.wait()
        equal(code, 127)
        assert words in err and err.count(b'\n') == 1, err


# --- signals -----------------------------------------------------------------------------------------------------

COUNTER = ('import signal, os, time, sys\nn = []\n'
           'for s in (1, 2, 3, 10, 12, 15, 18, 40): signal.signal(s, lambda s, f: n.append(s))\n'
           'print("ready", flush=True)\nend = time.time() + %s\n'
           'while time.time() < end: time.sleep(0.02)\nprint(*n)')


def counting(bench, seconds=0.8):
    job, supervisor = bench.job([PYTHON, '-I', '-c', COUNTER % seconds]).met()
    supervisor.send('S', job.folder)
    job.init, job.payload = supervisor.start(bench.box, 'a@1')
    supervisor.expect('X')
    equal(job.process.stdout.readline(), b'ready\n')
    return job, supervisor


@test('none', 'bwrap')
def signals_are_forwarded_once(bench):
    job, supervisor = counting(bench)
    for n in (15, 1, 40, 10):
        os.kill(job.pid, n)
        equal(supervisor.expect('N')[0], str(n).encode())
        time.sleep(0.05)
    supervisor.send('K', 12)
    equal(job.ended(supervisor)[1], b'15 1 40 10 12\n')


@test('none', 'bwrap')
def signal_to_the_group_arrives_once(bench):
    job, supervisor = counting(bench, 0.5)
    os.killpg(job.pid, signal.SIGTERM)
    frames = supervisor.until('B')
    equal(frames['N'], [b'15'])
    equal(job.quit(supervisor, 'status', frames['E'][0])[1], b'15\n')


@test('none', 'bwrap')
def signal_to_every_process_arrives_once(bench):
    job, supervisor = counting(bench, 0.5)
    for pid in (job.pid, job.init, job.payload):
        os.kill(pid, signal.SIGTERM)
    supervisor.expect('N')
    time.sleep(0.1)
    os.kill(job.pid, signal.SIGTERM)  # and the next one is passed on again
    equal(job.ended(supervisor)[1], b'15 15\n')


@test('none', 'bwrap')
def signal_to_every_process_of_the_session_leaves_the_box_standing(bench):
    job, supervisor = counting(bench, 0.5)
    for pid, *_ in job.left():
        os.kill(pid, signal.SIGTERM)
    frames = supervisor.until('B')
    equal(frames['E'][0], b'0')
    assert job.quit(supervisor, 'status', 0)[1].startswith(b'15')


@test('none', 'bwrap')
def early_signals_are_kept_until_the_exec(bench):
    job, supervisor = bench.sh('sleep 5').met()
    for _ in range(2):
        os.kill(job.pid, signal.SIGTERM)
        equal(supervisor.expect('P'), [b'15'])
    supervisor.start(bench.box, 'a@1')
    frames = supervisor.until('B')
    equal((frames['E'][0], frames['N']), (b'15', [b'15']))
    equal(job.quit(supervisor, 'status', frames['E'][0])[0], -15)


@test('none', 'bwrap')
def of_early_stops_and_continuations_the_last_one_holds(bench):
    job, supervisor = bench.sh('sleep 0.1; exit 3').met()
    for signo in (signal.SIGCONT, signal.SIGTSTP, signal.SIGCONT):
        os.kill(job.pid, signo)
        equal(supervisor.expect('P'), [str(int(signo)).encode()])
    supervisor.start(bench.box, 'a@1')
    frames = supervisor.until('B')
    equal(frames['N'], [b'18'])
    equal(job.quit(supervisor, 'status', frames['E'][0])[0], 3)


@test('none', builds=('static',))
def pending_at_exec_stays_pending(bench):
    script = 'import signal; print(*map(int, signal.sigpending()), *map(int, signal.pthread_sigmask(signal.SIG_BLOCK, [])))'
    job = bench.job([PYTHON, '-I', '-c', f'import time; time.sleep(0.3); {script}'],
                    prep='signal.pthread_sigmask(signal.SIG_BLOCK, [15]); os.kill(os.getpid(), 15)')
    equal(job.run(bench.box, 'a@1')[1], b'15 15\n')


@test('none', builds=('static',))
def alarm_survives_as_with_exec(bench):
    job = bench.sh('sleep 10', prep='signal.setitimer(signal.ITIMER_REAL, 0.5)')
    equal(job.run(bench.box, 'a@1')[0], -14)


# --- what is left ------------------------------------------------------------------------------------------------

DAEMON = ('import os, signal, sys, time\n'
          'for s in set(range(1, 65)) - {17}:\n'
          '    try: signal.signal(s, signal.SIG_IGN)\n'
          '    except (OSError, ValueError): pass\n'
          'if os.fork() == 0:\n'
          '    os.setsid()\n'
          '    if os.fork() == 0:\n'
          '        os.write(1, b"x"); os.close(1); os.close(2); time.sleep(60)\n'
          '    os._exit(0)\n'
          'os.wait(); time.sleep(0.2); os._exit(5)')


@test('none', 'bwrap', 'user', 'bridge')
def daemons_are_gone(bench):
    token = f'token{time.time()}'
    job = bench.job([PYTHON, '-I', '-c', DAEMON, token])
    code, _, _, frames = job.run(bench.box, 'a@1')
    equal((code, frames['E'][6]), (5, b'1'))
    assert job.gone(token, 0), job.left(token)


@test('none', 'bwrap', builds=('static',))
def a_tree_of_processes_is_gone(bench):
    token = f'token{time.time()}'
    tree = ('import os, sys, time\n'
            'for i in range(6):\n'
            '    if os.fork() == 0 and i % 2: os.setsid()\n'
            'if os.getpid() != int(os.environ.get("TOP", 0)): time.sleep(60)')
    job = bench.sh(f'"$0" -I -c "$1" {token} & sleep 0.5; exit 1', PYTHON, tree)
    code, _, _, frames = job.run(bench.box, 'a@1')
    equal((code, frames['E'][6]), (1, b'64'))
    assert job.gone(token, 0), job.left(token)


@test('bwrap', 'user')
def kill_minus_one_harms_nothing_outside(bench):
    job = bench.sh('kill -9 -1; exit 4')
    bystander = subprocess.Popen(['sleep', '30'], user=bench.uid) if bench.uid else subprocess.Popen(['sleep', '30'])
    try:
        code = job.run(bench.box, 'a@1')[0]
        assert code in (4, -9), code
        equal(bystander.poll(), None)
    finally:
        bystander.kill()
        bystander.wait()


@test('bwrap', 'user')
def init_cannot_be_harmed_from_inside(bench):
    job = bench.sh('kill -9 1; kill -15 1; cat /proc/1/environ >/dev/null 2>&1 && [ "$(id -u)" != 0 ] && exit 9; '
                   'ls -l /proc/1/fd >/dev/null 2>&1 && [ "$(id -u)" != 0 ] && exit 8; exit 6')
    equal(job.run(bench.box, 'a@1')[0], 6)


# --- who dies ----------------------------------------------------------------------------------------------------

LIVE = 'sh -c "trap : TERM; while :; do sleep 60; done" & trap : TERM; while :; do sleep 60; done'


@test('none', 'bwrap', 'user', 'bridge')
def shim_killed_while_running(bench):
    job, supervisor = bench.started(LIVE)
    os.kill(job.pid, signal.SIGKILL)
    assert job.gone(), job.left()
    try:
        supervisor.get()
        assert False, 'the supervisor is still connected'
    except Ended:
        pass


@test('none', 'bwrap', 'bridge')
def shim_killed_at_each_step(bench):
    for name in ('enter-start', 'enter-joined', 'init-start', 'init-forked', 'init-ended', 'shim-launched',
                 'shim-running', 'shim-ended'):
        job, supervisor = bench.sh('exit 0').met()
        supervisor.send('S', job.folder)
        launch(supervisor, bench.box, 'a@1', 'p' + name)
        supervisor.send('G')
        wait_for(lambda: named(job, '@' + name) or comm(job.pid) == ('@' + name)[:15], what=name)
        os.kill(job.pid, signal.SIGKILL)
        assert job.gone(), (name, job.left())


@test('none', 'bwrap', 'bridge')
def box_killed_at_each_step_by_the_supervisor(bench):
    for name in ('enter-start', 'enter-joined', 'init-start', 'init-forked', 'init-ended'):
        job, supervisor = bench.sh('exit 0').met()
        launch(supervisor, bench.box, 'a@1', 'p' + name)
        if name == 'init-ended':
            supervisor.send('G')
        wait_for(lambda: named(job, '@' + name), what=name)
        supervisor.send('A')
        frames = supervisor.until('B')
        if name == 'init-ended':
            equal(frames['E'][0], b'0')
        else:
            assert 'F' in frames and 'X' not in frames, (name, frames)
        equal(job.quit(supervisor, 'code', 3)[0], 3)


@test('none', 'bwrap', 'user', 'bridge')
def init_killed(bench):
    job, supervisor = bench.started(LIVE)
    os.kill(job.init, signal.SIGKILL)
    frames = supervisor.until('B')
    assert 'E' not in frames and 'F' not in frames, frames
    equal(job.left()[1:], [])
    equal(job.quit(supervisor, 'code', 7)[0], 7)


@test('bwrap', 'user', 'bridge')
def engine_killed(bench):
    job, supervisor = bench.started('sleep 0.4; exit 8')
    # what the bridge's client ended by, the bridge cannot end by
    for pid in named(job, 'tare-bridge' if bench.box == 'bridge' else 'bwrap'):
        os.kill(pid, signal.SIGKILL)
    frames = supervisor.until('B')
    equal((frames['E'][0], frames['B'][0]), (b'2048', b'9'))
    equal(job.left()[1:], [])
    equal(job.quit(supervisor, 'status', frames['E'][0])[0], 8)


@test('bwrap', 'user', 'bridge')
def shim_and_engine_killed(bench):
    job, supervisor = bench.started(LIVE)
    for pid in [*named(job, 'bwrap'), job.pid]:
        os.kill(pid, signal.SIGKILL)
    assert job.gone(), job.left()


@test('none', 'bwrap')
def payload_killed_before_go(bench):
    job, supervisor = bench.sh('exit 0').met()
    launch(supervisor, bench.box, 'a@1')
    payload = int(supervisor.expect('R')[1])
    os.kill(payload, signal.SIGKILL)
    equal(supervisor.expect('F')[0], b'init')
    supervisor.expect('B')
    equal(job.quit(supervisor, 'code', 9)[0], 9)


@test('none', 'bwrap')
def supervisor_has_successors(bench):
    job, supervisor = bench.started('sleep 0.6; exit 9')
    os.kill(supervisor.pid, signal.SIGKILL)
    second = job.supervisor()
    equal((second.hello[0], second.hello[1], second.hello[5]), (b'running', b(job.folder), b'2'))
    equal([second.get()[0] for _ in range(2)], ['R', 'X'])
    second.until('B')
    os.kill(second.pid, signal.SIGKILL)
    third = job.supervisor()
    equal((third.hello[0], third.hello[5]), (b'ended', b'3'))
    frames = [third.get() for _ in range(4)]
    equal(''.join(f[0] for f in frames), 'RXEB')
    equal(job.quit(third, 'status', frames[2][1][0])[0], 9)


@test('none', 'bwrap')
def who_follows_is_told_of_the_last_launch_alone(bench):
    job, supervisor = bench.sh('sleep 0.6; exit 9').met()
    supervisor.send('S', job.folder)
    supervisor.send('L', 'E/proc/nowhere/engine', 'a@1')
    supervisor.until('B')
    supervisor.start(bench.box, 'a@1')
    supervisor.expect('X')
    os.kill(supervisor.pid, signal.SIGKILL)
    second = job.supervisor()
    equal(second.hello[0], b'running')
    status = second.until('B')
    equal(''.join(tag for tag in ('R', 'X', 'F', 'E') if tag in status), 'RXE')
    equal(job.quit(second, 'status', status['E'][0])[0], 9)


def three_dead_supervisors(job, supervisor):
    for _ in range(2):
        os.kill(supervisor.pid, signal.SIGKILL)
        supervisor = job.supervisor()
    os.kill(supervisor.pid, signal.SIGKILL)
    return job, job.supervisor()


@test('none', 'bwrap')
def after_three_dead_supervisors_the_payload_ends_in_peace_and_one_more_concludes(bench):
    job, last = three_dead_supervisors(*bench.started('sleep 0.5; kill -15 $$'))
    equal((last.hello[0], last.hello[1], last.hello[5]), (b'ended', b(job.folder), b'4'))
    equal(''.join(last.get()[0] for _ in range(4)), 'RXEB')
    equal(job.quit(last, 'code', 3), (3, b'', b''))


@test('none', 'bwrap')
def without_the_last_supervisor_the_end_is_the_payload_s(bench):
    job, last = three_dead_supervisors(*bench.started('sleep 0.5; kill -15 $$'))
    os.kill(last.pid, signal.SIGKILL)
    equal(job.wait(), (-15, b'', b''))
    assert job.gone(seconds=0)


@test('none', 'bwrap')
def the_command_line_says_that_the_record_is_left_to_a_sweep(bench):
    job, supervisor = bench.job(['run'], name='tare').met()
    supervisor.send('S', job.folder)
    supervisor.start(bench.box, 'a/bin/sh', 'a-c', 'asleep 0.5; exit 3')
    supervisor.expect('X')
    job, last = three_dead_supervisors(job, supervisor)
    os.kill(last.pid, signal.SIGKILL)
    equal(job.wait(), (3, b'', b'tare: the supervisor died; the record is left to a sweep (tare records sweep)\n'))


@test('none', 'bwrap', 'user')
def the_state_directory_goes_at_the_end_where_the_supervisor_says_so(bench):
    for last in ('box.json', ''):
        job, supervisor = bench.started('exit 3')
        folder = bench.folder()
        state, outside = os.path.join(folder, 'state'), os.path.join(folder, 'outside')
        os.makedirs(os.path.join(state, 'engine/locked'))
        for path in (outside, f'{state}/box.json', f'{state}/engine/locked/file'):
            open(path, 'w').close()
        os.symlink(outside, f'{state}/link')
        os.chmod(f'{state}/engine/locked', 0)
        for path, folders, files in os.walk(state):
            for name in [*folders, *files, '.']:
                if bench.uid is not None:
                    os.chown(os.path.join(path, name), bench.uid, bench.uid, follow_symlinks=False)
        supervisor.send('S', state)
        supervisor.until('B')
        equal(job.quit(supervisor, 'code', 9, last), (9, b'', b''))
        equal((os.path.exists(state), os.path.exists(outside)), (last == '', True))
    # one that is not there any more is nothing to speak of
    job, supervisor = bench.started('exit 3')
    supervisor.send('S', os.path.join(bench.folder(), 'gone'))
    supervisor.until('B')
    equal(job.quit(supervisor, 'code', 9, 'box.json'), (9, b'', b''))


@test('none')
def the_state_directory_goes_also_where_what_removes_it_is_killed(bench):
    job, supervisor = bench.started('exit 3')
    state = os.path.join(bench.folder(), 'state')
    os.makedirs(os.path.join(state, 'many'))
    for index in range(20000):
        open(f'{state}/many/{index}', 'w').close()
    open(f'{state}/box.json', 'w').close()
    supervisor.send('S', state)
    supervisor.until('B')
    known = applications.children(job.pid)
    supervisor.send('Q', 'code', 9, 'box.json')
    deadline = time.monotonic() + 5
    remover = None
    while remover is None and time.monotonic() < deadline:
        remover = next((pid for pid in applications.children(job.pid) if pid not in known), None)
    os.kill(remover, signal.SIGKILL)
    assert os.path.exists(f'{state}/box.json')
    equal(job.wait(), (9, b'', b''))
    assert not os.path.exists(state)


@test('none', 'bwrap', 'user')
def what_is_told_in_the_pipe_outlives_a_supervisor(bench):
    folder = bench.folder()
    pipe = os.path.join(folder, 'parts')
    job, supervisor = bench.sh('cat; exit 4', stdin=subprocess.PIPE, prep='os.umask(0o777)').met()
    supervisor.send('S', job.folder)
    launch(supervisor, bench.box, 'a@1', f'T{pipe}')
    supervisor.expect('R')
    found = os.stat(pipe)
    equal((stat.S_ISFIFO(found.st_mode), stat.S_IMODE(found.st_mode), found.st_uid),
          (True, 0o600, bench.uid if bench.uid is not None else os.getuid()))
    with open(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK), 'w') as told:  # nobody reads, and there is no ENXIO
        told.write('started\n')
    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor = job.supervisor()
    supervisor.expect('R')
    supervisor.send('G')
    supervisor.expect('X')
    job.process.stdin.close()
    job.process.stdin = None
    supervisor.until('B')
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    equal(os.read(reader, 100), b'started\n')
    os.close(reader)
    equal(job.quit(supervisor, 'code', 4)[0], 4)
    equal(os.stat(pipe).st_mode, found.st_mode)  # the supervisor's to remove


@test('none', builds=('static',))
def the_pipe_has_the_owner_that_is_asked_for(bench):
    pipe = os.path.join(bench.folder(), 'parts')
    open(pipe, 'w').close()  # what is there is replaced
    owner = NOBODY if os.getuid() == 0 else os.getuid()
    code, *_ = bench.sh('exit 3').run(bench.box, 'a@1', f'T{owner} {owner} {pipe}')
    found = os.stat(pipe)
    equal((code, found.st_uid, found.st_gid, stat.S_ISFIFO(found.st_mode)), (3, owner, owner, True))
    # one that cannot be made costs nothing, and one that is no place is no launch
    equal(bench.sh('exit 3').run(bench.box, 'a@1', 'T/proc/nowhere/parts')[0], 3)
    for wrong in ('', 'parts', '1 /parts', '1 x /parts', '-1 1 /parts', '1 1 parts', '1 1'):
        job, supervisor = bench.sh('exit 3').met()
        launch(supervisor, bench.box, 'a@1', f'T{wrong}')
        equal(supervisor.expect('F')[0], b'protocol')
        supervisor.expect('B')
        job.quit(supervisor, 'code', 5)


@test('none', 'bwrap')
def signals_reach_a_payload_without_a_supervisor(bench):
    job, supervisor = bench.started('trap "exit 17" TERM; sleep 600 & while :; do wait $!; done')
    for _ in range(2):
        os.kill(supervisor.pid, signal.SIGKILL)
        supervisor = job.supervisor()
    os.kill(supervisor.pid, signal.SIGKILL)
    time.sleep(0.1)
    os.kill(job.pid, signal.SIGTERM)
    os.kill(job.supervisor().pid, signal.SIGKILL)
    equal(job.wait()[0], 17)


@test('none', builds=('static', 'sane'))
def two_dead_fresh_supervisors(bench):
    job, first = bench.sh('echo ran').met()
    os.kill(first.pid, signal.SIGKILL)
    second = job.supervisor()
    equal((second.hello[0], second.hello[5]), (b'fresh', b'2'))
    os.kill(second.pid, signal.SIGKILL)
    code, out, err = job.wait()
    equal((code, out), (125, b''))
    assert err.startswith(b'tare: ') and err.count(b'\n') == 1, err


@test('none', 'bwrap')
def fresh_supervisor_dead_after_its_launch(bench):
    job, first = bench.sh('echo ran').met()
    launch(first, bench.box, 'a@1')
    first.expect('R')
    os.kill(first.pid, signal.SIGKILL)
    second = job.supervisor()
    equal(second.hello[0], b'fresh')
    second.start(bench.box, 'a@1')
    second.until('B')
    equal(job.quit(second, 'code', 0)[:2], (0, b'ran\n'))


@test('none', builds=('static', 'sane'))
def fresh_supervisor_dead_after_go_never_runs_the_payload_twice(bench):
    job, supervisor = bench.started('echo ran; sleep 0.2; exit 3', state=False)
    os.kill(supervisor.pid, signal.SIGKILL)
    equal(job.wait()[:2], (3, b'ran\n'))


@test('none', 'bwrap', builds=('static', 'sane'))
def a_flood_of_one_signal_keeps_no_other_waiting(bench):
    job, supervisor = bench.started('trap "exit 5" TERM; echo up; sleep 600 & while :; do wait $!; done')
    equal(job.process.stdout.readline(), b'up\n')
    for _ in range(3000):
        supervisor.send('K', signal.SIGWINCH)
    supervisor.send('K', signal.SIGTERM)
    equal(job.ended(supervisor)[0], 5)


@test('none', 'bwrap', builds=('static', 'sane'))
def stopped_supervisor_does_not_stop_the_shim(bench):
    # not a loop of sleeps: dash drops a signal that comes between its vfork(2) and the child's exec
    job, supervisor = bench.started('trap "exit 5" TERM; echo up; sleep 600 & while :; do wait $!; done')
    equal(job.process.stdout.readline(), b'up\n')
    os.kill(supervisor.pid, signal.SIGSTOP)
    for _ in range(3000):
        os.kill(job.pid, signal.SIGWINCH)
    os.kill(job.pid, signal.SIGTERM)
    wait_for(lambda: len(job.left()) == 1, what='the end of the box')
    os.kill(supervisor.pid, signal.SIGCONT)
    equal(job.ended(supervisor)[0], 5)


def failing(call, error):
    """A system call fails, by seccomp(2), in the shim and in all that it starts."""
    number = {'x86_64': {'sendmsg': 46, 'getdents64': 217}, 'aarch64': {'sendmsg': 211, 'getdents64': 61}}[os.uname().machine][call]
    return f"""
import ctypes, struct
code = b''.join(struct.pack('=HBBI', *one) for one in ((0x20, 0, 0, 0), (0x15, 0, 1, {number}), (6, 0, 0, 0x50000 | {error}),
                                                       (6, 0, 0, 0x7fff0000)))
code = ctypes.create_string_buffer(code)
libc = ctypes.CDLL(None)
assert not libc.prctl(38, 1, 0, 0, 0) and not libc.prctl(22, 2, struct.pack('@HP', 4, ctypes.addressof(code)), 0, 0)
"""



@test('', builds=('static',))
def a_supervisor_that_cannot_be_told_is_not_waited_for(bench):
    status, _, said = bench.job(['/bin/true'], prep=failing('sendmsg', errno.ENOBUFS)).wait()
    equal(status, 125)
    assert b'the supervisor died' in said, said


@test('', builds=('static',))
def descriptors_that_cannot_be_listed_are_not_lost(bench):
    status, out, said = bench.job(['/bin/echo', 'x'], prep=failing('getdents64', errno.EIO)).wait()
    equal((status, out), (125, b''))
    assert b'/proc/self/fd' in said, said


@test('', builds=('sane',))
def an_end_by_a_signal_that_there_is_not_breaks_the_protocol(bench):
    job = bench.sh('exit 3')
    job.supervisor().send('Q', 'status', 100, '')
    equal(job.quit(job.supervisor(), 'code', 7)[0], 7)


@test('', builds=('static',))
def a_stack_of_16_kib_is_enough_for_the_shim(bench):
    tree = bench.tree_of(bench.build, '/bin/false', '/dev/null')
    small = 'import os, resource, sys; resource.setrlimit(resource.RLIMIT_STACK, (16384, 16384)); os.execve(sys.argv[1], sys.argv[1:], {})'
    out = subprocess.run([PYTHON, '-I', '-c', small, tree.wrap(), '/bin/true'], capture_output=True, timeout=10)
    equal(out.returncode, 125)
    assert b'the supervisor died' in out.stderr, out


@test('', builds=('static',))
def what_a_runtime_says_of_its_death_within_small_limits_is_not_passed_on(bench):
    tree = bench.tree_of(bench.build, '/bin/sh', '')
    with open(os.path.join(tree.path, 'dies.sh'), 'w') as f:
        f.write('echo BANNER; echo BANNER >&2; kill -ABRT $$\n')
    with open(os.path.join(tree.path, 'tare.supervisor'), 'w') as f:
        f.write('/bin/sh\ndies.sh\ndies.sh\n')
    small = 'import os, resource, sys; resource.setrlimit(resource.RLIMIT_DATA, (100 << 20, 100 << 20)); os.execve(sys.argv[1], sys.argv[1:], {})'
    argv = [os.path.join(tree.path, 'tare'), 'run', '--', '/bin/true']
    out = subprocess.run([PYTHON, '-I', '-c', small, *argv], capture_output=True, timeout=10)
    equal((out.returncode, out.stdout), (125, b''))
    equal(out.stderr, b"tare: the supervisor died within the caller's limits (data: at most 102400 KiB), before it did anything: raise them; "
                      b'the payload was not run\n')
    # where it has all that it wants, what it says is the only hint that there is
    out = subprocess.run(argv, capture_output=True, timeout=10)
    equal((out.returncode, set(out.stdout.split())), (125, {b'BANNER'}))
    assert out.stderr.endswith(b'BANNER\ntare: the supervisor died; the payload was not run\n'), out


@test('', builds=('static', 'sane'))
def supervisor_that_cannot_be_executed(bench):
    for interpreter, script, name in (('/proc/nowhere/node', 'x', '/proc/nowhere/node'), ('/bin/sh', 'missing.js', 'missing.js')):
        tree = Tree(bench.build, interpreter, script)
        if name == '/proc/nowhere/node':
            shutil.copy('/dev/null', os.path.join(tree.path, 'x'))
        bench.trees.append(tree)
        out = subprocess.run([tree.wrap(), '/bin/true'], capture_output=True, timeout=10)
        equal((out.returncode, out.stdout), (125, b''))
        assert name.encode() in out.stderr and b'No such file' in out.stderr and out.stderr.count(b'\n') == 1, out


@test('', builds=('static',))
def the_program_has_no_fixed_addresses(bench):
    with open(os.path.join(bench.tree.path, 'tare'), 'rb') as f:
        head = f.read(18)
    equal(struct.unpack('<H', head[16:])[0], 3)  # ET_DYN of elf(5)


@test('', builds=('static', 'sane'))
def the_role_is_chosen_by_the_path_and_not_by_argv0(bench):
    tree = bench.tree_of(bench.build, '/bin/echo', '/dev/null')
    out = subprocess.run(['TARE', 'htcondor', 'health'], executable=os.path.join(tree.path, 'tare'), capture_output=True, timeout=10)
    assert out.stdout.endswith(b'htcondor health\n'), out


@test('', builds=('static', 'sane'))
def the_starter_is_told_that_there_is_no_supervisor(bench):
    """A stand-in for HTCondor's starter: all that it does is name a file."""
    tree = bench.tree_of(bench.build, '/proc/nowhere/node', 'x')
    folder = bench.folder()
    path = os.path.join(folder, '.job_wrapper_failure')

    def told(argv, name='tare-wrap'):
        if os.path.exists(path):
            os.remove(path)
        program = os.path.join(tree.path, name)
        out = subprocess.run([program, *argv], env={'_CONDOR_WRAPPER_ERROR_FILE': path}, capture_output=True, timeout=10)
        equal(out.returncode, 125)
        return open(path, 'rb').read() if os.path.exists(path) else None

    line = told(['/bin/true'])
    assert line.startswith(b'tare: cannot execute ') and line.count(b'\n') == 1, line
    equal(told(['/usr/sbin/sshd', '-i']), None)
    equal(told(['run', '--', '/bin/true'], 'tare'), None)
    os.remove(os.path.join(tree.path, 'tare.supervisor'))
    assert b'tare.supervisor' in told(['/bin/true'])


@test('', builds=('static', 'sane'))
def the_kill_switch_without_a_supervisor_leaves_nothing_for_the_starter(bench):
    """An error file of the attempt before this one would send a job that ran well back to the queue."""
    if os.geteuid() != 0:
        raise Skip('needs root')
    tree = bench.tree_of(bench.build, '/proc/nowhere/node', 'x')
    folder = bench.folder()
    os.chmod(folder, 0o777)
    path = os.path.join(folder, '.job_wrapper_failure')
    switched = ('mount -t tmpfs none /etc && mkdir /etc/tare && : >/etc/tare/off &&'
                ' exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"')

    def left(*argv):
        with open(path, 'w') as f:
            f.write('stale')
        wrap = os.path.join(tree.path, 'tare-wrap')
        out = subprocess.run(['unshare', '-m', 'sh', '-c', switched, 'sh', wrap, *argv], capture_output=True, timeout=10,
                             env={'PATH': os.environ['PATH'], '_CONDOR_WRAPPER_ERROR_FILE': path})
        return out.returncode, out.stdout, os.path.exists(path)

    equal(left('echo', 'ran'), (0, b'ran\n', False))
    # condor_ssh_to_job: the file is the job's
    equal(left('/proc/nowhere/sshd', '-i'), (127, b'', True))


@test('none', 'bwrap', builds=('static',))
def quit_with_a_living_box_kills_it(bench):
    job, supervisor = bench.started(LIVE)
    equal(job.quit(supervisor, 'code', 3)[0], 3)
    assert job.gone(seconds=0)


# --- failures ----------------------------------------------------------------------------------------------------

@test('none', 'bwrap')
def each_failing_step_says_so(bench):
    cases = [(['J/proc/nowhere/cgroup.procs'], b'join', 2), (['C1023'], b'affinity', 22),
             (['j/proc/nowhere/cgroup.procs'], b'cgroup', 2), (['d/proc/nowhere'], b'chdir', 2),
             (['rnonsense 1 1'], b'protocol', 22), (['zsomething'], b'protocol', 22), (['O5000'], b'protocol', 22), (['s20'], b'protocol', 22), (['s-1'], b'protocol', 22), (['s'], b'protocol', 22),
             (['e=x'], b'protocol', 22), (['f'], b'protocol', 22), (['f' + 15 * '0'], b'protocol', 22), (['f' + 16 * 'G'], b'protocol', 22),
             (['f' + 4097 * 16 * '0'], b'protocol', 22), (['n', f'f{NO_UNAME[:32]}'], b'seccomp', 22), (['l'], b'protocol', 22), (['l0'], b'protocol', 22), (['lg'], b'protocol', 22), (['l' + 17 * '1'], b'protocol', 22),
             (['L/tmp'], b'protocol', 22), (['l2', 'Ltmp'], b'protocol', 22), (['C'], b'protocol', 22), (['U1'], b'protocol', 22), ([''], b'protocol', 22),
             (['j/proc/self/comm'], b'cgroup', 22)]
    for keys, step, error in cases:
        job, supervisor = bench.sh('echo ran').met()
        launch(supervisor, bench.box, 'a@1', *keys)
        supervisor.send('G')
        frames = supervisor.until('B')
        assert 'X' not in frames, (keys, frames)
        equal((frames['F'][0], frames['F'][1]), (step, b(error)))
        # and then again, well: what the policy's "unboxed" does
        supervisor.start(bench.box, 'a@1')
        equal(job.ended(supervisor)[:2], (0, b'ran\n'))


@test('none', 'bwrap')
def exec_failures(bench):
    folder = bench.folder()
    plain = os.path.join(folder, 'plain')
    with open(plain, 'w') as f:
        f.write('echo hi\n')
    for program, error in (('/proc/nowhere/x', 2), ('nowhere-x', 2), ('/etc', 13), (plain, 13)):
        job, supervisor = bench.sh('x').met()
        supervisor.start(bench.box, 'a' + program)
        frame = supervisor.expect('F')
        equal((frame[0], frame[1]), (b'exec', b(error)))
        assert b(program) in frame[2], frame
        supervisor.expect('B')
        equal(job.quit(supervisor, 'code', 127)[0], 127)


BRIDGE = ['/bin/sh', '-c', f'exec /proc/self/fd/4 tare-bridge {NEW_BRIDGE} 2 -- -- "$@"', 'sh']


@test('', builds=('static', 'sane'))
def engine_failures(bench):
    for argv, words in ((['/proc/nowhere/bwrap'], b'No such file'), (['bwrap'], b'No such file'),
                        (['/usr/bin/bwrap', '--nonsense'], b'nonsense'), (['/bin/true'], b'before init'),
                        (['/bin/sh', '-c', 'echo oh no >&2; kill -9 $$'], b'oh no'),
                        ([*BRIDGE, '--', '/proc/nowhere/client'], b'No such file'), ([*BRIDGE, '--', '/bin/true'], b'nothing has connected'),
                        ([*BRIDGE, '--', '/bin/sh', '-c', 'echo oh no >&2; kill -9 $$'], b'oh no'),
                        ([*BRIDGE, 'NAME=a b', '--', '/bin/sh', '-c', 'echo "$NAME c" >&2; exit 3'], b'a b c'),
                        ([*BRIDGE, 'NAME', '--', '/bin/true'], b'CLIENT'), (BRIDGE, b'CLIENT'), ([*BRIDGE, '--'], b'CLIENT'),
                        (['/proc/self/fd/4', 'tare-bridge', '/proc/nowhere', '2', '--', '--', '--', '/bin/true'], b'/proc/nowhere/at'),
                        (['/proc/self/fd/4', 'tare-bridge', '/proc/nowhere', '50', '--', '--', '--', '/bin/true'], b'descriptor')):
        job, supervisor = bench.sh('x').met()
        supervisor.socket.settimeout(20)  # a client that has ended may have left the box to its daemon: 10 s are waited for it
        supervisor.send('L', *['E' + a for a in argv], 'a@1')
        frames = supervisor.until('B')
        equal(frames['F'][0], b'engine')
        assert words in frames['F'][2], frames
        equal(job.quit(supervisor, 'code', 125)[0], 125)


@test('', builds=('static', 'sane'))
def what_a_daemon_shows_is_the_account_s(bench):
    """A daemon that finds a path with root's rights, after the account has put something else there."""
    if os.getuid() != 0:
        raise Skip('root only')
    folder = bench.folder()
    work, other, closed = (os.path.join(folder, name) for name in ('work', 'other', 'closed'))
    for place in (work, other, os.path.join(closed, 'in')):
        os.makedirs(place)
    link = os.path.join(folder, 'link')
    os.symlink(work, link)
    os.chmod(closed, 0o700)
    owner = f'{NOBODY} {NOBODY} '
    for kind, source, place, bound, words in (
            ('plain', work, work, work, None), ('links', link, link, work, None), ('plain', work, work, other, b'something else'),
            ('plain', work, link, work, b'Too many levels'), ('plain', closed + '/in', closed + '/in', closed + '/in', b'Permission denied'),
            ('plain', work + '/gone', work, work, b'No such file'), ('links', work, work + '/gone', work, b'No such file'),
            ('links', closed + '/in', work, closed + '/in', b'something else')):
        client = BRIDGED.replace(' -- -- -- ', f" -- '{owner}' {kind} '{source}' '{place}' -- -- ")
        assert client != BRIDGED
        argv = ['/bin/sh', '-c', client, 'sh', *BWRAP[:-4], '--bind', bound, work]
        job, supervisor = bench.sh('exit 5').met()
        supervisor.send('L', *['E' + word for word in argv], 'a@1')
        if words is None:
            supervisor.until('R')
            continue
        frames = supervisor.until('B')
        equal(frames['F'][0], b'engine')
        assert words in frames['F'][2], frames
        equal(job.quit(supervisor, 'code', 125)[0], 125)


@test('', builds=('static',))
def identity_needs_rights(bench):
    job, supervisor = bench.sh('x', uid=NOBODY).met()
    launch(supervisor, 'none', 'a@1', 'U0 0 ')
    frames = supervisor.until('B')
    equal((frames['F'][0], frames['F'][1]), (b'identity', b'1'))
    job.quit(supervisor, 'code', 0)


# --- the protocol ------------------------------------------------------------------------------------------------

@test('', builds=('static', 'sane'))
def bad_frames_are_a_dead_supervisor(bench):
    bad = [struct.pack('<I', 0), struct.pack('<I', (16 << 20) + 1) + b'L', struct.pack('<I', 3) + b'Lab',
           struct.pack('<I', 1) + b'?', struct.pack('<I', 1) + b'S', struct.pack('<I', 1) + b'Q',
           struct.pack('<I', 5) + b'Kxyz\0', struct.pack('<I', 4) + b'K65\0', struct.pack('<I', 14) + b'Qstatus\x00127\0\0\0',
           struct.pack('<I', 13) + b'Qstatus\x00126\0\0',  # as by signal 126, which there is not
           b'\xff' * 64]
    for data in bad:
        job = bench.sh('x')
        job.supervisor().raw(data)
        second = job.supervisor()
        equal(second.hello[5], b'2')
        second.raw(data)
        code, _, err = job.wait()
        equal(code, 125)
        assert b'protocol' in err, err


@test('', builds=('sane',))
def random_launches_do_no_harm(bench):
    import random
    random.seed(7)
    job, supervisor = bench.sh('x').met()
    for _ in range(150):
        strings = [bytes(random.choice(b'EJjUOCsaveu0drnp') if i == 0 else random.choice(b'0123456789-, =@ku\xff')
                         for i in range(random.randrange(1, 12))) for _ in range(random.randrange(1, 4))]
        supervisor.send('L', *strings, 'zend')
        equal(supervisor.expect('F')[0], b'protocol')
        supervisor.expect('B')
    equal(job.quit(supervisor, 'code', 0)[0], 0)


@test('none', builds=('sane',))
def frames_in_pieces(bench):
    job, supervisor = bench.sh('exit 2').met()
    body = b'L' + b'a@1\0'
    for byte in struct.pack('<I', len(body)) + body:
        supervisor.raw(bytes([byte]))
        time.sleep(0.002)
    supervisor.expect('R')
    supervisor.raw(struct.pack('<I', 1) + b'G' + struct.pack('<I', 1))
    status = supervisor.until('B')['E'][0]
    supervisor.raw(b'A')
    equal(job.quit(supervisor, 'status', status)[0], 2)


@test('none', builds=('static', 'sane'))
def a_second_launch_is_refused(bench):
    job, supervisor = bench.started('sleep 0.3; exit 2', state=False)
    launch(supervisor, 'none', 'a@1')
    equal(job.wait()[0], 2)


@test('none', 'bwrap', builds=('static',))
def usage_is_reported(bench):
    spin = 'import time, os\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\nx = b"x" * (64 << 20)'
    job = bench.job([PYTHON, '-I', '-c', f'import os\nif os.fork() == 0:\n {spin.replace(chr(10), chr(10) + " ")}\n'
                     ' os._exit(0)\nos.wait()'])
    frames = job.run(bench.box, 'a@1')[3]
    times = [int(t) for t in frames['E'][1:5]]
    own, all_, rss, killed = sum(times[:2]), sum(times[2:]), *map(int, frames['E'][5:7])
    assert own >= 250000 and all_ >= own and 64 << 20 <= rss < 256 << 20 and killed == 0, frames['E']


# --- cgroups -------------------------------------------------------------------------------------------

@test('none', 'bwrap')
def cgroups_are_joined(bench):
    with cgroups() as folders:
        for folder in folders:
            box, leaf = os.path.join(folder, 'box'), os.path.join(folder, 'payload')
            os.mkdir(box)
            os.mkdir(leaf)
            job, supervisor = bench.started(LIVE, f'J{box}/cgroup.procs', f'j{leaf}/cgroup.procs')

            def members(path):
                with open(path + '/cgroup.procs') as f:
                    return set(map(int, f.read().split()))
            assert job.init in members(box) and job.payload in members(leaf), (members(box), members(leaf))
            assert job.init not in members(leaf) and job.payload not in members(box)
            wait_for(lambda: len(members(leaf)) >= 3, what='children in the leaf')
            supervisor.send('A')
            supervisor.until('B')
            equal(job.quit(supervisor, 'code', 0)[0], 0)
            equal((members(box), members(leaf)), (set(), set()))


@test('none', builds=('static',))
def cgroup_is_joined_with_the_opener_s_rights(bench):
    if os.getuid():
        raise Skip('needs root')
    with cgroups() as (leaf, *_):
        job, supervisor = bench.started('exec sleep 60', f'j{leaf}/cgroup.procs', f'U{NOBODY} {NOBODY} ')
        with open(leaf + '/cgroup.procs') as f:
            equal(f.read().split(), [str(job.payload)])
        supervisor.send('Q', 'code', 0, '')
        job.wait()


# --- a virtual machine's port --------------------------------------------------------------------------------------

@test(builds=('static',))
def a_port_that_is_never_empty_keeps_what_waits_and_no_more(bench):
    equal(subprocess.run([os.path.join(NATIVE, 'build/test/port')], capture_output=True, timeout=60, check=False).stderr, b'')


# --- views -------------------------------------------------------------------------------------------------------

views.register(test, equal, launch, BOXES, Skip)


# --- running them ------------------------------------------------------------------------------------------------

def run_one(entry, trees):
    name, function, build, box = entry
    bench = Bench(trees[build], box)
    bench.build = 'build/tare' if build == 'static' else 'build/sane/tare'
    bench.name, bench.trees = name, []
    try:
        function(bench)
        return name, 'ok', ''
    except Skip as reason:
        return name, 'FAILED' if os.environ.get('TARE_MUST_WORK') == '1' else 'skipped', f'({reason})'
    except Exception:
        return name, 'FAILED', '\n' + traceback.format_exc()
    finally:
        for job in bench.jobs:
            job.clean()
        for tree in bench.trees:
            tree.remove()
        for folder in bench.folders:
            shutil.rmtree(folder, ignore_errors=True)


def main():
    pattern = sys.argv[1] if len(sys.argv) > 1 else ''
    for old in glob.glob('/tmp/tare-sane.*'):
        os.unlink(old)
    # shims and payloads of every account begin there: the checkout may be one that only its owner can enter
    place = tempfile.mkdtemp(prefix='tare-test-')
    os.chmod(place, 0o1777)
    os.chdir(place)
    trees = {'static': Tree('build/tare'), 'sane': Tree('build/sane/tare')}
    passed = failed = 0
    try:
        chosen = [entry for entry in TESTS if pattern in entry[0]]
        again = []
        with ThreadPoolExecutor(TOGETHER) as pool:  # they wait more than they work
            for entry, (name, verdict, more) in zip(chosen, pool.map(lambda entry: run_one(entry, trees), chosen)):
                if verdict == 'FAILED':
                    again.append((entry, more))
                    continue
                print(f'{verdict:8}{name} {more}'.rstrip(), flush=True)
                passed += verdict == 'ok'
        # what passes alone is unsteady, and has failed all the same: the second time only says where to look
        for entry, before in again:
            name, verdict, _ = run_one(entry, trees)
            print(f'FAILED  {name} {before}', flush=True)
            if verdict == 'ok':
                print(f'unsteady: {name}, failed beside others, not alone', flush=True)
            failed += 1
        for report in glob.glob('/tmp/tare-sane.*'):
            with open(report) as f:
                print(f'FAILED  sanitizer report {report}\n{f.read()[:4000]}')
            os.unlink(report)
            failed += 1
    finally:
        for tree in trees.values():
            tree.remove()
        os.chdir('/')
        shutil.rmtree(place, ignore_errors=True)
    print(f'{passed} passed, {failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
