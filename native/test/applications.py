"""The tests of several applications in one box."""
import os, pty, re, select, signal, socket, subprocess, threading, time

from harness import (NOBODY, PYTHON, Ended, Skip, b, cgroups, comm, equal, launch, named, test, wait_for)

BOTH = ('static', 'sane')


def sh(name, script, *keys):
    """An application that is a shell script."""
    return [f'N{name}', 'a/bin/sh', 'a-c', f'v{script}', *keys]


def python(name, code, *keys):
    return [f'N{name}', f'a{PYTHON}', 'a-I', 'a-c', f'v{code}', *keys]


class Applications:
    """A box with several, and the supervisor of it. What one does can come before what another does: such frames wait."""

    def __init__(self, bench, *strings, state=True, box=None, ready=True, **more):
        self.waiting = []
        self.job = bench.job(['/bin/false'], **more)
        self.supervisor = self.job.supervisor()
        if state:
            self.supervisor.send('S', self.job.folder)
        launch(self.supervisor, box or bench.box, *strings)
        if ready:
            self.init, = map(int, self.supervisor.expect('R'))

    def expect(self, tag):
        for at, (got, strings) in enumerate(self.waiting):
            if got == tag:
                del self.waiting[at]
                return strings
        while True:
            got, strings = self.supervisor.get()
            if got == tag:
                return strings
            assert got in 'XZ', f'expected {tag}, got {got} {strings}'
            self.waiting.append((got, strings))

    def go(self, *indices, start=1):
        for index in indices:
            self.supervisor.send('G', index, start)

    def started(self, *indices, start=1):
        """{index: its keeper's pid}"""
        self.go(*indices, start=start)
        keepers = {}
        for _ in indices:
            _, index, number, keeper = map(int, self.expect('X'))
            equal(number, start)
            keepers[index] = keeper
        equal(sorted(keepers), sorted(indices))
        return keepers

    def ended(self, count=1):
        """{(index, start): its figures as strings}"""
        found = {}
        for _ in range(count):
            strings = self.expect('Z')
            equal(len(strings), 10)
            found[int(strings[0]), int(strings[1])] = strings[2:]
        return found

    def statuses(self, count=1):
        return {key: int(figures[0]) for key, figures in self.ended(count).items()}

    def close(self):
        """The end when all have ended; stdout, stderr and `E`."""
        equal(self.waiting, [])
        self.supervisor.send('W')
        ended = self.supervisor.expect('E')
        self.supervisor.expect('B')
        code, out, err = self.job.quit(self.supervisor, 'code', 7)
        equal(code, 7)
        assert self.job.gone(seconds=0), self.job.left()
        return out, err, ended


def children(pid):
    try:
        with open(f'/proc/{pid}/task/{pid}/children') as f:
            return list(map(int, f.read().split()))
    except OSError:
        return []


def having(run, token):
    return [pid for pid, _, line in run.job.left(token) if b(token) in line]


def state(pid):
    try:
        with open(f'/proc/{pid}/stat', 'rb') as f:
            return f.read().rsplit(b')', 1)[1].split()[0].decode()
    except OSError:
        return ''


def descriptors(pid):
    """Only root can look into a process that is not dumpable."""
    return sorted(map(int, os.listdir(f'/proc/{pid}/fd'))) if os.getuid() == 0 else []


STUBBORN = 'trap : TERM; while :; do sleep 60; done'
SLEEP = 'exec sleep 60'


# --- frames ------------------------------------------------------------------------------------------------------

@test('none', 'bwrap', 'user')
def frames_of_applications_come_in_order(bench):
    """One after the other, as `needs` would have it, and one that cannot be executed."""
    before = time.monotonic()
    run = Applications(bench, *sh('one', 'exit 3'), 'Nmissing', 'a/proc/nowhere/x', *sh('two', 'kill -15 $$'))
    run.go(0)
    us, index, start, keeper = map(int, run.supervisor.expect('X'))
    equal((index, start), (0, 1))
    assert before <= us / 1e6 <= time.monotonic(), us
    figures = run.ended()[0, 1]
    equal(figures[0], b'768')
    assert us <= int(figures[7]) <= time.monotonic() * 1e6, figures
    equal(state(keeper), '')
    run.go(1)
    failed = run.supervisor.expect('F')
    equal((failed[0], failed[1], failed[3], failed[4]), (b'exec', b'2', b'1', b'1'))
    assert b'/proc/nowhere/x' in failed[2], failed
    run.go(2)
    run.supervisor.expect('X')
    equal(run.statuses(), {(2, 1): 15})
    equal(run.close()[2][0], b'0')


@test('none', 'bwrap')
def one_application_alone_is_several(bench):
    run = Applications(bench, *sh('only', 'echo out; exit 1'))
    run.started(0)
    equal(run.statuses(), {(0, 1): 256})
    equal(run.close()[:2], (b'out\n', b''))


@test('none', 'bwrap')
def start_before_ready_and_all_at_once(bench):
    run = Applications(bench, *sh('a', 'exit 1'), *sh('b', 'exit 2'), ready=False)
    run.go(0, 1)
    run.go(0, 1)  # again: ignored
    run.supervisor.send('W')
    frames = []
    while not frames or frames[-1][0] != 'B':
        frames.append(run.supervisor.get())
    tags = ''.join(tag for tag, _ in frames)
    assert tags[0] == 'R' and tags[-2:] == 'EB' and sorted(tags[1:-2]) == list('XXZZ'), tags
    equal({s[0]: s[2] for tag, s in frames if tag == 'Z'}, {b'0': b'256', b'1': b'512'})
    equal(run.job.quit(run.supervisor, 'code', 0)[0], 0)


@test('none', builds=('sane',))
def a_start_is_given_once(bench):
    """Repetitions are ignored, whether it runs or has ended; too early or one too many is a broken supervisor."""
    folder = bench.folder()
    count = f'echo x >>{folder}/count; sleep 0.2'
    run = Applications(bench, *sh('a', count), *sh('b', SLEEP))
    run.started(0)
    run.go(0)
    run.ended()
    run.go(0)
    run.started(0, start=2)
    run.go(0, start=1)
    run.go(0, start=2)
    run.ended()
    equal(open(f'{folder}/count').read(), 'x\nx\n')
    run.started(1)
    run.supervisor.send('A', 1)
    run.ended()
    run.close()
    for given in ((1, 2), (1, 3), (0, 3), (2, 1), (0,), (0, 0), (-1, 1), ('x', 1), (0, 'x'), ()):
        run = Applications(bench, *sh('a', 'exit 0'), *sh('b', SLEEP), state=False)
        run.started(1)
        run.started(0)
        run.ended()
        run.supervisor.send('G', *given)
        try:
            run.supervisor.get()
            assert False, given
        except Ended:
            pass
        os.kill(named(run.job, 'tare-init')[0], signal.SIGKILL)
        run.job.wait()


@test('none', 'bwrap', builds=('static',))
def orders_of_one_kind_of_box_are_refused_by_the_other(bench):
    job, supervisor = bench.started(SLEEP, state=False)
    supervisor.send('A', 0)
    wait_for(lambda: state(supervisor.pid) in ('', 'Z'), what='the end of the supervisor')
    os.kill(job.payload, signal.SIGTERM)
    equal(job.wait()[0], -15)
    for frame in (('K', 15, 9), ('A', 9), ('K', 15, 'x')):
        run = Applications(bench, *sh('a', SLEEP), state=False)
        run.started(0)
        run.supervisor.send(*frame)
        wait_for(lambda: state(run.supervisor.pid) in ('', 'Z'), what='the end of the supervisor')
        run.job.process.send_signal(signal.SIGTERM)
        equal(run.job.wait()[0], -15)


@test('none', 'bwrap')
def after_wind_up_nothing_is_started(bench):
    run = Applications(bench, *sh('a', 'sleep 0.2; exit 4'), *sh('b', 'exit 5'))
    run.started(0)
    run.supervisor.send('W')
    run.go(1)
    equal(run.statuses(), {(0, 1): 4 << 8})
    run.close()
    run = Applications(bench, *sh('a', 'exit 4'))
    equal(run.close()[2][5], b'')


@test('none', 'bwrap')
def the_end_of_a_box_in_which_nothing_was_started(bench):
    """It may be launched again, as one whose launch failed."""
    run = Applications(bench, *sh('a', 'exit 4'))
    run.supervisor.send('A')
    run.supervisor.expect('E')
    run.supervisor.expect('B')
    launch(run.supervisor, bench.box, *sh('a', 'exit 6'))
    run.supervisor.expect('R')
    run.started(0)
    equal(run.statuses(), {(0, 1): 6 << 8})
    run.close()


@test('none', 'bwrap', builds=('static',))
def bad_launches_of_applications(bench):
    one = sh('a', 'exit 0')
    cases = [['N', 'a/bin/true'], ['Na\nb', 'a/bin/true'], ['N' + 'x' * 201, 'a/bin/true'], ['Na'], [*one, 'Nb'],
             ['a/bin/true', *one], ['v/bin/true', *one], ['j/x', *one], ['oprefix', *one], ['I', *one], ['1x', *one],
             [*one, 'o'], [*one, 'oboth'], [*one, 'Ix'], [*one, '1'], [*one, '2'], [*one, 'I', *sh('b', 'x', 'I')],
             ['Na', 'a@9'], [*one, 'q1'], [*one, 'qx 1 '], [*one, 'x1'], [*one, 'x1 1 1'], [*one, 'cxyz'], [*one, 'c'], [*one, 'Px'],
             [*one, 'bx'], [*one, 'g'], [*one, 'yproc'], [*one, 'z'], [*one, 'Q-1'], [*one, 'Sx'], ['P', *one],
             [*one, '0x'], ['e=x', *one], [*one, 'u'], [*one, 'rnonsense 1 1'], [*one, '3x'], [*one, ''],
             ['a/bin/true', 'I'], ['a/bin/true', 'oprefix'], ['a/bin/true', '1x'], [f for i in range(1025) for f in (f'Nn{i}', 'ax')]]
    job, supervisor = bench.job(['/bin/false']).met()
    for strings in cases:
        launch(supervisor, bench.box, *strings)
        frame = supervisor.expect('F')
        equal((frame[0], frame[1]), (b'protocol', b'22'))
        supervisor.expect('B')
    launch(supervisor, bench.box, *one, *sh('b', 'exit 0', 'j/proc/nowhere/cgroup.procs'))
    equal(supervisor.until('B')['F'][:2], [b'cgroup', b'2'])
    supervisor.send('D', *one)
    equal(job.wait()[0], 127)


@test('', builds=('sane',))
def random_launches_of_applications_do_no_harm(bench):
    import random
    random.seed(11)
    job, supervisor = bench.job(['/bin/false']).met()
    for _ in range(150):
        strings = [bytes(random.choice(b'NNNEJjUOCaveu0drnpIo12qxcPbgyzQS') if i == 0 else random.choice(b'0123456789-, =@ku\xff')
                         for i in range(random.randrange(1, 12))) for _ in range(random.randrange(1, 9))]
        supervisor.send('L', *strings, 'zend')
        equal(supervisor.expect('F')[0], b'protocol')
        supervisor.expect('B')
    equal(job.quit(supervisor, 'code', 0)[0], 0)


# --- what each gets ----------------------------------------------------------------------------------------------

@test('none', 'bwrap')
def environment_directory_and_limits_are_common_or_own(bench):
    show = 'echo "$A-$B-$C-${D-none}" "$(pwd)" $(ulimit -n) $(ulimit -Hn) "$0"'
    run = Applications(bench, 'eB=common', 'uD', 'd/usr', 'rnofile 100 200', *sh('one', show),
                       *sh('two', show, 'eB=own', 'd/etc', 'rnofile 50 60', 'v@1'),
                       *sh('three', show, '0', 'eC=own', 'eD=again'), env={'A': 'a', 'D': 'd'})
    for index in range(3):
        run.started(index)
        run.ended()
    out, err, _ = run.close()
    equal(out, b'a-common--none /usr 100 200 /bin/sh\na-own--none /etc 50 60 @1\n-common-own-again /usr 100 200 /bin/sh\n')
    equal(err, b'')


@test('none', 'bwrap', 'user')
def only_the_marked_one_has_the_caller_s_input(bench):
    run = Applications(bench, *sh('without', 'cat; readlink /proc/self/fd/0'), *sh('with', 'cat', 'I'),
                       *python('descriptors', 'import os; print(sorted(map(int, os.listdir("/proc/self/fd"))), os.getpid() == os.getpgrp())'),
                       stdin=subprocess.PIPE)
    run.job.process.stdin.write(b'for the second\n')
    run.job.process.stdin.close()
    run.job.process.stdin = None
    for index in range(3):
        run.started(index)
        equal(run.statuses(), {(index, 1): 0})
    equal(run.close()[0], b'/dev/null\nfor the second\n[0, 1, 2, 3] True\n')


@test('none', 'bwrap')
def a_reader_sees_the_end_of_output_after_wind_up(bench):
    run = Applications(bench, *sh('a', 'exec >&- 2>&-; exec sleep 60'), *sh('b', 'exec >&- 2>&-; exec sleep 60', 'oprefix'))
    run.started(0, 1)
    run.supervisor.send('W')
    equal(run.job.process.stdout.read(), b'')
    equal(run.job.process.stderr.read(), b'')
    run.supervisor.send('A', 0)
    equal(run.statuses(), {(0, 1): 9})
    run.supervisor.send('A', 1)
    equal(run.statuses(), {(1, 1): 9})
    run.close()


@test('none', builds=BOTH)
def each_application_joins_its_own_group(bench):
    with cgroups() as folders:
        for folder in folders:
            for name in ('box', 'a', 'b'):
                os.mkdir(f'{folder}/{name}')

            def members(name):
                with open(f'{folder}/{name}/cgroup.procs') as f:
                    return set(map(int, f.read().split()))
            # it forks at once: no child is elsewhere
            run = Applications(bench, f'J{folder}/box/cgroup.procs', *sh('a', f'sleep 60 & {SLEEP}', f'j{folder}/a/cgroup.procs'),
                               *sh('b', SLEEP, f'j{folder}/b/cgroup.procs'), 'O500')
            for start in (1, 2):
                keepers = run.started(0, 1, start=start)
                equal(members('box'), {run.init, *keepers.values()})
                wait_for(lambda: len(members('a')) == 2, what='the child')
                equal(members('b'), set(children(keepers[1])))
                for index, name in ((0, 'a'), (1, 'b')):
                    run.supervisor.send('A', index)
                    run.ended()
                    equal(members(name), set())
            run.close()


# --- who dies ----------------------------------------------------------------------------------------------------

DAEMONS = ('import os, signal, sys, time\n'
           'for s in (1, 2, 15): signal.signal(s, signal.SIG_IGN)\n'
           'if os.fork() == 0:\n'
           '    os.setsid()\n'
           '    for _ in range(4):\n'
           '        if os.fork() == 0: time.sleep(60)\n'
           '    os._exit(0)\n'
           'os.wait(); print("ready", flush=True); %s')


@test('none', 'bwrap', 'user')
def double_forks_are_gone_before_the_end_is_told(bench):
    token = f'token{time.time()}'
    run = Applications(bench, *python('a', DAEMONS % 'os._exit(5)', 'v' + token), *sh('b', SLEEP))
    other = run.started(1)[1]
    run.started(0)
    figures = run.ended()[0, 1]
    equal(having(run, token), [])
    equal((figures[0], figures[6]), (b'1280', b'4'))
    wait_for(lambda: [comm(pid) for pid in children(other)] == ['sleep'], what='the other to live on')
    run.supervisor.send('A', 1)
    run.ended()
    run.close()


@test('none', 'bwrap', 'user')
def a_killed_keeper_takes_its_application_and_nobody_else(bench):
    token = f'token{time.time()}'
    run = Applications(bench, *python('a', DAEMONS % 'time.sleep(60)', 'v' + token), *sh('b', 'read x; exit 4', 'I'),
                       *python('c', DAEMONS % 'time.sleep(60)', 'v' + token), stdin=subprocess.PIPE)
    keepers = run.started(0, 1, 2)
    for _ in range(2):
        equal(run.job.process.stdout.readline(), b'ready\n')
    os.kill(keepers[0], signal.SIGKILL)
    figures = run.ended()[0, 1]
    equal((figures[0], figures[1], figures[2], figures[6]), (b'9', b'', b'', b'5'))
    assert int(figures[3]) + int(figures[4]) > 0 and int(figures[5]) > 1 << 20, figures
    equal(len(having(run, token)), 5)
    # both at once
    run.started(0, start=2)
    equal(run.job.process.stdout.readline(), b'ready\n')
    again = [pid for pid in named(run.job, 'tare-keeper') if pid not in (keepers[1], keepers[2])]
    equal(len(again), 1)
    os.kill(keepers[2], signal.SIGKILL)
    os.kill(again[0], signal.SIGKILL)
    equal(run.statuses(2), {(0, 2): 9, (2, 1): 9})
    equal(having(run, token), [])
    run.job.process.stdin.write(b'\n')
    run.job.process.stdin.close()
    run.job.process.stdin = None
    equal(run.statuses(), {(1, 1): 4 << 8})
    run.close()


@test('none', 'bwrap')
def a_keeper_killed_on_its_way_to_the_exec_is_answered_for(bench):
    for name in ('keeper-start', 'keeper-forked'):
        run = Applications(bench, *sh('a', 'exit 0'), 'p' + name)
        run.go(0)
        wait_for(lambda: named(run.job, '@' + name), what=name)
        os.kill(named(run.job, '@' + name)[0], signal.SIGKILL)
        equal(run.statuses(), {(0, 1): 9})
        run.close()


@test('none', 'bwrap', 'user')
def one_that_ignores_sigterm_is_killed_alone(bench):
    run = Applications(bench, *sh('a', f'trap "" TERM; echo ready; while :; do sleep 60; done'), *sh('b', 'trap "exit 4" TERM; echo ready; sleep 600 & while :; do wait $!; done'))
    run.started(0, 1)
    for _ in range(2):
        equal(run.job.process.stdout.readline(), b'ready\n')
    run.supervisor.send('K', 15, 0)
    time.sleep(0.1)
    run.supervisor.send('A', 0)
    figures = run.ended()[0, 1]
    equal((figures[0], figures[6]), (b'9', b'1'))
    run.supervisor.send('A', 0)  # it does not run: nothing
    run.supervisor.send('K', 15, 0)
    run.supervisor.send('K', 15, 1)
    equal(run.statuses(), {(1, 1): 4 << 8})
    run.close()


@test('none', 'bwrap', builds=('sane',))
def a_stopped_keeper_does_not_save_its_application(bench):
    """Whoever has its uid may stop it: it is continued, and its application ends as it would have."""
    run = Applications(bench, *sh('a', 'trap "exit 5" TERM; echo ready; sleep 600 & while :; do wait $!; done'), *sh('b', STUBBORN))
    keepers = run.started(0, 1)
    equal(run.job.process.stdout.readline(), b'ready\n')
    os.kill(keepers[0], signal.SIGSTOP)
    run.supervisor.send('K', 15, 0)
    equal(run.ended()[0, 1][0], str(5 << 8).encode())
    os.kill(keepers[1], signal.SIGSTOP)
    run.supervisor.send('A')
    equal(run.statuses(), {(1, 1): 9})
    run.close()


@test('none', 'bwrap')
def all_are_killed(bench):
    token = f'token{time.time()}'
    run = Applications(bench, *python('a', DAEMONS % 'time.sleep(60)', 'v' + token), *sh('b', STUBBORN), *sh('c', 'exit 0'))
    run.started(0, 1)
    equal(run.job.process.stdout.readline(), b'ready\n')
    run.supervisor.send('A')
    run.go(2)
    equal(run.statuses(2), {(0, 1): 9, (1, 1): 9})
    run.close()


@test('none', 'bwrap')
def killed_at_each_step(bench):
    for name in ('init-start', 'keeper-start', 'keeper-forked', 'keeper-ended', 'init-ended'):
        for who in ('one', 'supervisor', 'shim'):
            run = Applications(bench, *sh('a', 'sleep 60 & exit 3'), 'p' + name, ready=False)
            run.go(0)
            run.supervisor.send('W')
            wait_for(lambda: named(run.job, '@' + name), what=name)
            if who == 'shim':
                os.kill(run.job.pid, signal.SIGKILL)
                assert run.job.gone(), (name, run.job.left())
                continue
            run.supervisor.send(*(('A', 0) if who == 'one' and name.startswith('keeper') else ('A',)))
            frames = run.supervisor.until('B')
            if name == 'init-start':
                assert 'E' not in frames and frames['F'][0] == b'init' and len(frames['F']) == 3, frames
            elif name in ('keeper-start', 'keeper-forked'):
                equal((frames['F'][0], frames['F'][3:]), (b'init', [b'0', b'1']))
                assert 'X' not in frames and 'Z' not in frames and 'E' in frames, frames
            else:
                equal(frames['Z'][2], b'768')
                assert 'X' in frames and 'E' in frames, frames
            equal(run.job.quit(run.supervisor, 'code', 3)[0], 3)


@test('none', 'bwrap', 'user')
def shim_or_init_killed_with_applications(bench):
    run = Applications(bench, *sh('a', STUBBORN), *sh('b', f'sleep 61 & {STUBBORN}', 'oprefix'))
    run.started(0, 1)
    os.kill(run.job.pid, signal.SIGKILL)
    assert run.job.gone(), run.job.left()
    run = Applications(bench, *sh('a', STUBBORN), *sh('b', f'sleep 61 & {STUBBORN}', 'oprefix'))
    run.started(0, 1)
    os.kill(run.init, signal.SIGKILL)
    frames = run.supervisor.until('B')
    assert 'E' not in frames and 'F' not in frames and 'Z' not in frames, frames
    equal(run.job.left()[1:], [])
    equal(run.job.quit(run.supervisor, 'code', 7)[0], 7)


@test('none', 'bwrap', 'user')
def shim_and_init_killed_with_applications(bench):
    """Without a PID namespace it is the keepers that leave nobody, and each must see the end by itself."""
    token = f'token{time.time()}'
    run = Applications(bench, *python('a', DAEMONS % 'time.sleep(60)', 'v' + token), *sh('b', STUBBORN), *sh('c', STUBBORN, 'oprefix'))
    run.started(0, 1, 2)
    equal(run.job.process.stdout.readline(), b'ready\n')
    os.kill(run.job.pid, signal.SIGSTOP)
    os.kill(run.init, signal.SIGKILL)
    os.kill(run.job.pid, signal.SIGKILL)
    assert run.job.gone(token), run.job.left(token)


@test('none', 'bwrap')
def a_chain_of_forks_does_not_get_away(bench):
    """Each process lives only until it has forked the next."""
    chain = ('import os, time\nif os.fork() == 0:\n    os.setsid()\n    while True:\n        if os.fork(): os._exit(0)\n'
             'time.sleep(0.2); os._exit(5)')
    token = f'token{time.time()}'
    run = Applications(bench, *python('a', chain, 'v' + token))
    run.started(0)
    equal(run.statuses(), {(0, 1): 5 << 8})
    equal(having(run, token), [])
    keeper = run.started(0, start=2)[0]
    time.sleep(0.05)
    os.kill(keeper, signal.SIGKILL)
    equal(run.statuses(), {(0, 2): 9})
    equal(having(run, token), [])
    run.close()


# --- supervisors ------------------------------------------------------------------------------------------------------

@test('none', 'bwrap')
def a_second_supervisor_is_told_all_and_repeats_what_it_does_not_know(bench):
    folder = bench.folder()
    run = Applications(bench, *sh('a', f'echo x >>{folder}/a'), *sh('b', f'echo x >>{folder}/b; sleep 0.5; exit 2'), 'Nc', 'a/proc/nowhere/x')
    run.started(0)
    run.ended()
    run.started(1)
    run.go(2)
    run.supervisor.expect('F')
    os.kill(run.supervisor.pid, signal.SIGKILL)
    second = run.job.supervisor()
    equal((second.hello[0], second.hello[5]), (b'running', b'2'))
    frames = [second.get() for _ in range(5)]
    equal([(tag, strings[:2] if tag == 'Z' else strings[1:3] if tag == 'X' else strings[3:]) for tag, strings in frames[1:]],
          [('X', [b'0', b'1']), ('Z', [b'0', b'1']), ('X', [b'1', b'1']), ('F', [b'2', b'1'])])
    for index in range(3):
        second.send('G', index, 1)
    second.send('W')
    equal(second.expect('Z')[:3], [b'1', b'1', b'512'])
    second.until('B')
    os.kill(second.pid, signal.SIGKILL)
    third = run.job.supervisor()
    equal(third.hello[0], b'ended')
    equal(''.join(third.get()[0] for _ in range(8)), 'RXZXFZEB')
    equal(open(f'{folder}/a').read() + open(f'{folder}/b').read(), 'x\nx\n')
    equal(run.job.quit(third, 'code', 5)[0], 5)


def without_supervisors(run):
    for _ in range(2):
        os.kill(run.supervisor.pid, signal.SIGKILL)
        run.supervisor = run.job.supervisor()
    os.kill(run.supervisor.pid, signal.SIGKILL)
    last = run.job.supervisor()  # once nothing of the box is left
    equal(last.hello[0], b'ended')
    os.kill(last.pid, signal.SIGKILL)
    return run.job.wait()


@test('none', 'bwrap', builds=('sane',))
def without_a_supervisor_the_end_is_a_success_only_when_all_were_one(bench):
    running = sh('b', 'sleep 0.6; echo done')
    for script, wanted in (('exit 3', 3), ('kill -12 $$', -12), ('sleep 0.6; kill -15 $$', -15)):
        run = Applications(bench, *sh('a', script), *running)
        run.started(0, 1)
        equal(without_supervisors(run), (wanted, b'done\n', b''))
        assert run.job.gone(seconds=0)
    run = Applications(bench, *sh('a', 'echo never'), *running)
    run.started(1)
    equal(without_supervisors(run), (125, b'done\n', b''))
    run = Applications(bench, *running, *sh('a', 'echo never'))
    run.started(0)
    equal(without_supervisors(run), (125, b'done\n', b''))
    run = Applications(bench, *running, *sh('a', 'sleep 0.5; exit 4'))
    run.started(0, 1)
    equal(without_supervisors(run), (4, b'done\n', b''))
    run = Applications(bench, *running, *sh('a', 'exit 0'))
    run.started(0, 1)
    equal(without_supervisors(run), (0, b'done\n', b''))
    service = sh('service', 'trap : TERM; while :; do sleep 60; done', 'S')
    run = Applications(bench, *service, *running)
    run.started(0, 1)
    equal(without_supervisors(run), (0, b'done\n', b''))
    run = Applications(bench, *service, *running)
    run.started(0)
    equal(without_supervisors(run)[0], 125)
    assert run.job.gone(seconds=0)
    run = Applications(bench, *sh('a', SLEEP), *running)
    run.started(0, 1)
    os.kill(run.init, signal.SIGSTOP)
    threading.Timer(0.5, lambda: os.kill(run.init, signal.SIGKILL)).start()
    equal(without_supervisors(run)[0], -9)


# --- signals -----------------------------------------------------------------------------------------------------

COUNTER = ('import signal, time\nn = []\n'
           'for s in (1, 2, 10, 12, 15, 18, 20, 40): signal.signal(s, lambda s, f: n.append(s))\n'
           'print("ready", flush=True)\n'
           'while 12 not in n: time.sleep(0.02)\nprint(*n)')


@test('none', 'bwrap')
def a_signal_goes_to_every_running_application_once(bench):
    run = Applications(bench, *python('a', COUNTER, 'oprefix'), *python('b', COUNTER, 'oprefix'), *sh('c', 'exit 0'), *python('d', COUNTER, 'oprefix'))
    run.started(2)
    run.ended()
    run.started(0, 1)
    ready = sorted(run.job.process.stdout.readline() for _ in range(2))
    equal(ready, [b'a: ready\n', b'b: ready\n'])
    for n in (15, 1, 40, 20, 18):
        os.kill(run.job.pid, n)
        equal(run.supervisor.expect('N'), [b(n)])
        time.sleep(0.05)
    os.killpg(run.job.pid, signal.SIGINT)
    equal(run.supervisor.expect('N'), [b'2'])
    time.sleep(0.05)
    run.supervisor.send('K', 10, 1)
    time.sleep(0.05)
    run.started(3)
    run.job.process.stdout.readline()
    run.supervisor.send('K', 12)
    equal(run.statuses(3), {(0, 1): 0, (1, 1): 0, (3, 1): 0})
    equal(sorted(run.close()[0].splitlines()), [b'a: 15 1 40 20 18 2 12', b'b: 15 1 40 20 18 2 10 12', b'd: 12'])


@test('none', 'bwrap')
def early_signals_wait_for_the_first_application(bench):
    run = Applications(bench, *sh('a', SLEEP), *sh('b', 'sleep 0.3; exit 6'))
    for _ in range(2):
        os.kill(run.job.pid, signal.SIGTERM)
    time.sleep(0.05)
    run.go(0)
    run.supervisor.expect('X')
    equal(run.supervisor.expect('N'), [b'15'])
    equal(run.statuses(), {(0, 1): 15})
    run.started(1)
    equal(run.statuses(), {(1, 1): 6 << 8})
    run.close()


# --- output ------------------------------------------------------------------------------------------------------

# on both descriptors at once, in pieces that are no lines
LINES = ('import os, random\n'
         'stream = 1 if os.fork() else 2\n'
         'r = random.Random(%r + str(stream))\n'
         'out = []\n'
         'for i in range(%d):\n'
         '    size = 5000 + r.randrange(20000) if r.random() < 0.002 else r.randrange(60)\n'
         '    out.append("%%d %%d %%s\\n" %% (stream, i, "-xy"[stream] * size))\n'
         'data = "".join(out).encode()\n'
         'at = 0\n'
         'while at < len(data): at += os.write(stream, data[at:at + r.randrange(1, 9000)])\n'
         'if stream == 1: os.wait()\n')


@test('none', 'bwrap', builds=BOTH)
def lines_of_applications_never_mix(bench):
    """100,000 lines of three, some long, to one pipe, from both descriptors."""
    count, names = 100000 // 6 + 1, ('one', 'two', 'three')
    run = Applications(bench, *(key for name in names for key in python(name, LINES % (name, count), 'oprefix')), stderr=subprocess.STDOUT)
    data = []
    reader = threading.Thread(target=lambda: data.append(run.job.process.stdout.read()))
    reader.start()
    run.started(0, 1, 2)
    equal(set(run.statuses(3).values()), {0})
    run.supervisor.send('W')
    run.supervisor.until('B')
    run.supervisor.send('Q', 'code', 0, '')
    reader.join(20)
    run.job.process.wait(10)
    lines = data[0].split(b'\n')
    equal(lines.pop(), b'')
    equal(len(lines), 6 * count)
    following = {(name, stream): 0 for name in names for stream in '12'}
    for line in lines:
        name, stream, number, _ = re.fullmatch(rb'(\w+): (\d) (\d+) (x*|y*)', line).groups()
        equal(int(number), following[name.decode(), stream.decode()])
        following[name.decode(), stream.decode()] += 1
    equal(set(following.values()), {count})


@test('none', 'bwrap', builds=BOTH)
def odd_lines(bench):
    """Without an end, of the greatest length, one more, with NULs, empty; and nothing at all."""
    code = ('import os, sys\n'
            'def put(data):\n'
            '    while data: data = data[os.write(1, data):]\n'
            'put(b"a" * 65536 + b"\\n" + b"b" * 65537 + b"\\n" + b"c" * 200000 + b"\\n\\n\\0\\xff\\n")\n'
            'put(b"no end"); os.write(2, b"nor here")')
    run = Applications(bench, *python('n', code, 'oprefix'), *sh('silent', 'exit 0', 'oprefix'))
    got = []
    reader = threading.Thread(target=lambda: got.append(run.job.process.stdout.read()))
    reader.start()
    run.started(0, 1)
    run.ended(2)
    run.supervisor.send('W')
    run.supervisor.until('B')
    run.supervisor.send('Q', 'code', 0, '')
    reader.join(10)
    pieces = [b'a' * 65536, b'b' * 65536, b'b', b'c' * 65536, b'c' * 65536, b'c' * 65536, b'c' * (200000 - 3 * 65536), b'', b'\0\xff', b'no end']
    equal(got[0], b''.join(b'n: ' + piece + b'\n' for piece in pieces))
    equal(run.job.process.stderr.read(), b'n: nor here\n')


@test('none', builds=BOTH)
def lines_to_a_file_and_to_a_socket(bench):
    path = os.path.join(bench.folder(), 'out')
    with open(path, 'wb') as out:
        run = Applications(bench, *sh('a', 'seq 1 2000', 'oprefix'), *sh('b', 'seq 1 2000', 'oprefix'), stdout=out)
    run.started(0, 1)
    run.ended(2)
    run.close()
    lines = open(path, 'rb').read().split()
    equal(sorted(lines), sorted([b'a:', b'b:'] * 2000 + [b(i) for i in range(1, 2001)] * 2))
    ours, theirs = socket.socketpair()
    run = Applications(bench, *sh('a', 'seq 1 60000', 'oprefix'), stdout=theirs.fileno())
    theirs.close()
    run.started(0)
    time.sleep(0.3)
    data = b''
    while data.count(b'\n') < 60000:
        data += ours.recv(1 << 16)
    equal(data, b''.join(b'a: %d\n' % i for i in range(1, 60001)))
    run.ended()
    run.close()


@test('none', 'bwrap', builds=BOTH)
def a_slow_reader_holds_the_application_back(bench):
    read, write = os.pipe()
    progress = os.path.join(bench.folder(), 'progress')
    code = ('import os, sys\nf = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)\nfor n in range(10000):\n'
            '    os.write(1, b"x" * 99 + b"\\n"); os.pwrite(f, b"%d" % n, 0)')
    run = Applications(bench, *python('a', code, 'v' + progress, 'oprefix'), *sh('b', 'sleep 0.1', 'oprefix'), stdout=write)
    os.close(write)
    run.started(0, 1)
    equal(run.statuses(), {(1, 1): 0})  # which has nothing to say is not held up
    wait_for(lambda: os.path.exists(progress), what='the first line')
    seen = None
    while seen != (seen := open(progress).read()):
        time.sleep(0.5)
    assert 64 << 10 <= 100 * int(seen) < 400 << 10, seen
    lines = b''
    while lines.count(b'\n') < 10000:
        lines += os.read(read, 1 << 16)
    equal(set(lines.split(b'\n')), {b'a: ' + b'x' * 99, b''})
    equal(run.statuses(), {(0, 1): 0})
    os.close(read)
    run.close()


@test('none', 'bwrap', builds=BOTH)
def a_keeper_with_lines_does_not_spin(bench):
    read, write = os.pipe()
    run = Applications(bench, *sh('a', 'yes', 'oprefix'), *sh('idle', SLEEP, 'oprefix'), stdout=write)
    os.close(write)
    keepers = run.started(0, 1)
    time.sleep(0.3)

    def ticks():
        total = 0
        for pid in (run.init, *keepers.values()):
            with open(f'/proc/{pid}/stat') as f:
                total += sum(map(int, f.read().rsplit(')', 1)[1].split()[11:13]))
        return total
    before = ticks()
    time.sleep(0.5)
    assert ticks() - before <= 3, ticks() - before
    # what it could not pass on holds up nobody who kills
    run.supervisor.send('A', 0)
    figures = run.ended()[0, 1]
    equal(figures[0], b'9')
    assert figures[1], 'the keeper was killed'
    run.supervisor.send('A')
    run.ended()
    os.close(read)
    run.supervisor.until('B')
    run.job.quit(run.supervisor, 'code', 0)


@test('none', 'bwrap', builds=BOTH)
def without_a_reader_there_is_a_broken_pipe(bench):
    read, write = os.pipe()
    # Python ignores SIGPIPE, and what it starts would too
    run = Applications(bench, *sh('a', 'exec yes', 'oprefix'), *sh('b', 'sleep 0.5; exec yes', 'oprefix'),
                       *python('c', 'import os, select\np = select.poll(); p.register(1, 0); os._exit(p.poll(5000)[0][1])', 'oprefix'),
                       stdout=write, prep='signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n')
    os.close(write)
    run.started(0, 1, 2)
    os.read(read, 4096)
    os.close(read)
    equal(run.statuses(3), {(0, 1): 13, (1, 1): 13, (2, 1): select.POLLERR << 8})
    run.close()


@test('none', 'bwrap', builds=BOTH)
def nothing_is_lost_at_the_end(bench):
    read, write = os.pipe()
    run = Applications(bench, *sh('a', 'seq 1 9000; (sleep 0.05; echo late) & wait; echo last >&2; printf end', 'oprefix'), stdout=write)
    os.close(write)
    run.started(0)
    equal(run.job.process.stderr.readline(), b'a: last\n')
    time.sleep(0.2)
    with os.fdopen(read, 'rb') as pipe:
        reader = threading.Thread(target=lambda: got.append(pipe.read()))
        got = []
        reader.start()
        equal(run.statuses(), {(0, 1): 0})
        run.supervisor.send('W')
        run.supervisor.until('B')
        reader.join(5)
    equal(got[0], b''.join(b'a: %d\n' % i for i in range(1, 9001)) + b'a: late\na: end\n')
    run.job.quit(run.supervisor, 'code', 0)


@test('none', 'bwrap', 'user')
def output_files_are_the_application_s(bench):
    folder = bench.folder()
    os.symlink('/dev/null', f'{folder}/link')
    with open(f'{folder}/old', 'w') as f:
        f.write('old\n')
    os.chmod(f'{folder}/old', 0o666)
    run = Applications(bench, 'd' + folder, *sh('a', 'echo out; echo err >&2', '1a.out', '2a.err'), *sh('b', 'echo more; echo err >&2', '1old', 'oprefix'),
                       *sh('c', 'exit 0', '1link'), *sh('d', 'exit 0', '2missing/x'), *sh('e', 'echo both; echo both >&2', f'1{folder}/e', f'2{folder}/e'),
                       prep='os.umask(0o027)\n')
    for index in (0, 1, 4):
        run.started(index)
        equal(run.statuses(), {(index, 1): 0})
    for index, error in ((2, 40), (3, 2)):
        run.go(index)
        failed = run.supervisor.expect('F')
        equal((failed[0], failed[1], failed[3]), (b'output', b(error), b(index)))
    # no prefix in a file, and none without being asked
    equal(run.close()[:2], (b'', b'b: err\n'))
    text = {name: open(f'{folder}/{name}').read() for name in ('a.out', 'a.err', 'old', 'e')}
    equal(text, {'a.out': 'out\n', 'a.err': 'err\n', 'old': 'old\nmore\n', 'e': 'both\nboth\n'})
    status = os.stat(f'{folder}/a.out')
    equal((status.st_mode & 0o777, status.st_uid), (0o640, bench.uid if bench.uid is not None else os.getuid()))


@test('none', builds=('static',))
def output_files_are_opened_with_the_job_s_identity(bench):
    if os.getuid():
        raise Skip('needs root')
    folder = bench.folder()
    os.chmod(folder, 0o755)
    run = Applications(bench, f'U{NOBODY} {NOBODY} ', *sh('a', 'exit 0', f'1{folder}/x'))
    run.go(0)
    failed = run.supervisor.expect('F')
    equal((failed[0], failed[1]), (b'output', b'13'))
    run.close()


@test('none', builds=BOTH)
def a_closed_descriptor_stays_closed(bench):
    code = 'import os\ntry: os.fstat(1)\nexcept OSError: os.write(2, b"closed\\n")'
    run = Applications(bench, *python('a', code, 'oprefix'), *python('b', code), prep='os.close(1)\n')
    for index in range(2):
        run.started(index)
        run.ended()
    equal(run.close()[:2], (b'', b'a: closed\nclosed\n'))


# --- many --------------------------------------------------------------------------------------------------------

@test('none', 'bwrap')
def twenty_applications(bench):
    run = Applications(bench, *(key for i in range(20) for key in sh(f'a{i}', f'echo up; read x; exit {i}', 'oprefix')), ready=False)
    run.init, = map(int, run.supervisor.expect('R'))
    run.started(*range(20))
    equal(run.statuses(20), {(i, 1): i << 8 for i in range(20)})
    equal(sorted(run.close()[0].splitlines()), sorted(b'a%d: up' % i for i in range(20)))


@test('none', 'bwrap', 'user')
def fifty_restarts_leave_nothing(bench):
    run = Applications(bench, *sh('a', 'echo x; sleep 60 & exit 1', 'oprefix'), *sh('b', SLEEP))
    run.started(1)
    before = None
    for start in range(1, 51):
        run.started(0, start=start)
        equal(run.statuses(), {(0, start): 256})
        now = (descriptors(run.init), descriptors(run.job.pid), children(run.init))
        assert before in (None, now), (before, now)
        before = now
    assert not any(state(pid) == 'Z' for pid in children(run.init))
    equal(len(run.job.left()), 4 + 2 * (bench.box != 'none') - (bench.box != 'none'))
    run.supervisor.send('A', 1)
    run.ended()
    equal(run.close()[0], b'a: x\n' * 50)


@test('none', 'bwrap', builds=('static',))
def usage_is_reported_for_each_and_for_all(bench):
    spin = 'import time\nend = time.process_time() + %s\nwhile time.process_time() < end: pass\nx = b"x" * (%d << 20)'
    run = Applications(bench, *python('a', spin % (0.3, 64)), *python('b', spin % (0.1, 8)), *sh('c', f'{PYTHON} -I -c "{spin % (0.2, 8)}"'.replace('b"x"', "b'x'")))
    run.started(0, 1, 2)
    found = {index: list(map(int, figures)) for (index, _), figures in run.ended(3).items()}
    total = list(map(int, run.close()[2]))
    for index, least in ((0, 300000), (1, 100000), (2, 200000)):
        assert least <= sum(found[index][3:5]) < least + 300000, found
    assert sum(found[2][1:3]) >= 200000 and 64 << 20 <= found[0][5] < 256 << 20 > found[1][5], found
    for i in (1, 2, 3, 4, 6):
        equal(total[i], sum(figures[i] for figures in found.values()))
    equal((total[5], total[7]), (max(f[5] for f in found.values()), max(f[7] for f in found.values())))


# --- terminal ----------------------------------------------------------------------------------------------------

@test('none', 'bwrap')
def applications_at_a_terminal(bench):
    """None is in front: Ctrl-C goes to all, Ctrl-Z stops all and the shim, fg continues them."""
    master, slave = pty.openpty()
    shell = subprocess.Popen(['/bin/bash', '--norc', '--noprofile', '-i'], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                             env={'PATH': os.environ['PATH'], 'PS1': '$ ', 'TERM': 'dumb'},
                             preexec_fn=lambda: __import__('fcntl').ioctl(0, 0x540E, 0))
    os.close(slave)
    seen = b''

    def read_until(text, seconds=8):
        nonlocal seen
        end = time.time() + seconds
        while text not in seen:
            assert time.time() < end, f'no {text!r} in {seen!r}'
            if select.select([master], [], [], 0.05)[0]:
                seen += os.read(master, 65536)
        seen = seen[seen.index(text) + len(text):]

    def type_(text):
        os.write(master, text.encode())
    job = bench.job(['/bin/true'], bare=True)  # only for its socket
    job.wait()
    try:
        read_until(b'$ ')
        type_(f'export TARE_TEST_SOCKET={job.folder}/s; {bench.tree.path}/tare-wrap x\n')
        supervisor = job.supervisor()
        ready = 'trap "echo got-$0; exit 0" INT; echo up; sleep 600 & while :; do wait $!; done'
        launch(supervisor, bench.box, *sh('a', ready, 'va', 'oprefix'), *sh('b', ready, 'vb', 'oprefix'))
        supervisor.expect('R')
        keepers = []
        for index in range(2):
            supervisor.send('G', index, 1)
            keepers.append(int(supervisor.expect('X')[3]))
            read_until(b'up\r\n')
        payloads = [children(keeper)[0] for keeper in keepers]
        type_('\x1a')
        read_until(b'Stopped')
        equal(supervisor.expect('N'), [b'20'])
        wait_for(lambda: all(state(pid) == 'T' for pid in payloads), what='both to stop')
        type_('fg\n')
        wait_for(lambda: all(state(pid) in 'SR' for pid in payloads), what='both to go on')
        read_until(b'tare-wrap')
        time.sleep(0.1)
        type_('\x03')
        read_until(b'got-')
        read_until(b'got-')
        supervisor.send('W')
        frames = supervisor.until('B')
        equal(frames['Z'][2], b'0')
        supervisor.send('Q', 'code', 4, '')
        read_until(b'$ ')
        type_('echo end-$?\n')
        read_until(b'end-4\r\n')
    finally:
        shell.kill()
        shell.wait()
        os.close(master)
