"""What a payload can do to the processes of its wrapper that have its own uid: `python3 -c TEXT ATTACK[=ARGUMENT]...`, one after the other.

Targets are process 1 of the box and every other process in it that is called tare-*. A line `THROUGH ...` is an attack that was to be refused.
"""
import ctypes, os, resource, signal, subprocess, sys, time

libc = ctypes.CDLL(None, use_errno=True)
LIMITS = sorted(value for name, value in vars(resource).items() if name.startswith('RLIMIT_'))


def comm(pid):
    try:
        with open(f'/proc/{pid}/comm') as file:
            return file.read().strip()
    except OSError:
        return ''


def targets():
    pids = sorted(int(name) for name in os.listdir('/proc') if name.isdigit())
    return [pid for pid in pids if pid == 1 or comm(pid).startswith('tare-')]


def say(*words):
    print(*words, flush=True)


def quietly(function, *arguments):
    """Whether it was allowed."""
    try:
        function(*arguments)
    except (OSError, ValueError):
        return False
    return True


def limit(which, value):
    return sum(quietly(resource.prlimit, pid, which, (value, value)) for pid in targets())


def orphan(script='exit 0'):
    """A process whose parent is gone: whoever reaps it is woken at its end. Its pid."""
    told, tell = os.pipe()
    if os.fork() == 0:
        os.setsid()
        null = os.open('/dev/null', os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        pid = os.fork()
        if pid == 0:
            os.execv('/bin/sh', ['sh', '-c', script])
        os.write(tell, str(pid).encode())
        os._exit(0)
    os.wait()
    os.close(tell)
    with open(told) as pipe:
        return int(pipe.read() or 0)


def wake():
    """Gives whoever reaps here something to do, and waits until it is done."""
    pid = orphan()
    while libc.kill(pid, 0) == 0:
        time.sleep(0.01)


def deaf(lowest='0'):
    """Every limit of every target at its lowest; then each of them has something to do."""
    say('targets', len(targets()), 'allowed', sum(limit(which, int(lowest)) for which in LIMITS if which != resource.RLIMIT_CPU))
    wake()


def flood(until, signals=range(1, 65)):
    """Signals to every target, as fast as two processes send them: for so many seconds, or until there is such a file."""
    numbers = [number for number in signals if number != signal.SIGKILL]
    pids, own = targets(), os.getpid()
    second = os.fork()
    began = time.monotonic()
    over = (lambda: time.monotonic() > began + float(until)) if until[0].isdigit() else (lambda: os.path.exists(until))
    sent = 0
    while not over():
        for number in numbers:
            for pid in pids:
                libc.kill(pid, number)
                sent += 1
    if second == 0:
        os._exit(0)
    os.waitpid(second, 0)
    for pid in pids:
        libc.kill(pid, signal.SIGCONT)
    return sent


def weigh_down():
    """What the kernel lets an equal uid do; it may cost time, and no more."""
    for pid in targets():
        quietly(os.setpriority, os.PRIO_PROCESS, pid, 19)
        quietly(os.sched_setaffinity, pid, {min(os.sched_getaffinity(0))})
        quietly(os.sched_setscheduler, pid, os.SCHED_IDLE, os.sched_param(0))
        libc.syscall(251 if os.uname().machine == 'x86_64' else 30, 1, pid, 3 << 13)  # ioprio_set: idle


PTRACE_ATTACH, PTRACE_SEIZE, PIDFD_OPEN, PIDFD_GETFD = 16, 0x4206, 434, 438


def seized(pid):
    if libc.ptrace(PTRACE_SEIZE, pid, None, None) == 0 or libc.ptrace(PTRACE_ATTACH, pid, None, None) == 0:
        return True
    return False


def stolen(pid):
    pidfd = libc.syscall(PIDFD_OPEN, pid, 0)
    got = any(libc.syscall(PIDFD_GETFD, pidfd, number, 0) >= 0 for number in range(64)) if pidfd >= 0 else False
    if pidfd >= 0:
        os.close(pidfd)
    return got


def look_into():
    """What nobody of an equal uid is to reach."""
    for pid in targets():
        if seized(pid):
            say('THROUGH ptrace', pid, comm(pid))
        if stolen(pid):
            say('THROUGH pidfd_getfd', pid, comm(pid))
        for name in ('oom_score_adj', 'comm', 'mem', 'clear_refs', 'coredump_filter', 'timerslack_ns', 'sched', 'autogroup', 'uid_map'):
            try:
                with open(f'/proc/{pid}/{name}', 'r+b', buffering=0) as file:
                    if name != 'timerslack_ns':
                        say('THROUGH open for writing', pid, name)
                    else:
                        file.write(b'1000000000')
                        say('THROUGH write', pid, name)
            except OSError:
                pass
        for name in ('exe', 'cwd', 'root', 'fd/3'):
            if quietly(os.readlink, f'/proc/{pid}/{name}'):
                say('THROUGH readlink', pid, name)


def joiners(seconds):
    """Whoever comes into the box is looked into from its first moment on (the class of CVE-2016-9962)."""
    newest = os.getpid()
    said = set()
    end = time.monotonic() + float(seconds)
    say('ready')
    while time.monotonic() < end:
        for pid in range(newest + 1, newest + 8):
            pidfd = libc.syscall(PIDFD_OPEN, pid, 0)
            if pidfd < 0:
                continue
            for number in range(3, 12):
                got = libc.syscall(PIDFD_GETFD, pidfd, number, 0)
                if got < 0:
                    continue
                link = os.readlink(f'/proc/self/fd/{got}')
                os.close(got)
                # a command that has executed has no socket: the tests give it none
                if link.startswith('socket:') and (pid, number) not in said:
                    said.add((pid, number))
                    say('THROUGH pidfd_getfd', number, 'of', comm(pid))
            os.close(pidfd)
        while libc.kill(newest + 8, 0) == 0:
            newest += 1


def spend(seconds):
    """Has every target use up its CPU time, which is limited to a second."""
    limit(resource.RLIMIT_CPU, 1)
    wake()
    flood(seconds, [signal.SIGCHLD, signal.SIGRTMIN])


def orphans(seconds):
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        orphan()


def stop():
    for pid in targets():
        libc.kill(pid, signal.SIGSTOP)


ATTACKS = {
    'deaf': deaf,
    'flood': flood,
    'weigh-down': weigh_down,
    'look-into': look_into,
    'joiners': joiners,
    'spend': spend,
    'orphans': orphans,
    'stop': stop,
    'wake': wake,
    'daemon': lambda mark: orphan(f'sleep {mark}'),
    'sleep': lambda seconds: time.sleep(float(seconds)),
    'say': say,
    'touch': lambda path: open(path, 'w').close(),
    'exit': lambda code: sys.exit(int(code)),
    'die': lambda number: os.kill(os.getpid(), int(number)),
}

for word in sys.argv[1:]:
    name, _, argument = word.partition('=')
    ATTACKS[name](*filter(None, [argument]))
