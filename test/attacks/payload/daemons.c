// attack: daemons that leave their session, their parent and the reach of signals: deaf, stopped, traced by a stopped tracer, in nested PID namespaces, among zombies
// limits: {memory: 512MiB, processes: 200, wallTime: 60s}
// gone: tare-attack-daemon
#include "attack.h"
#include <sys/ptrace.h>

static void stay(void) {
    prctl(PR_SET_NAME, "tare-attack-dae");
    for (int signal_ = 1; signal_ <= 64; signal_++) signal(signal_, SIG_IGN);
    execl("/proc/self/exe", "tare-attack-daemon", "stay", NULL);
    _exit(1);
}

static void stopped(void) {
    pid_t child = fork();
    if (child == 0) stay();
    pause_ms(300);
    kill(child, SIGSTOP);
    stay();
}

static void traced(void) {
    pid_t child = fork();
    if (child == 0) stay();
    ptrace(PTRACE_ATTACH, child, NULL, NULL);
    pause_ms(200);
    ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_EXITKILL);
    kill(getpid(), SIGSTOP);
}

static void nested(void) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS)) stay();
    for (int depth = 0; depth < 8; depth++) {
        pid_t child = fork();
        if (child != 0) {
            waitpid(child, NULL, 0);
            _exit(0);
        }
        if (unshare(CLONE_NEWUSER | CLONE_NEWPID)) break;
    }
    stay();
}

static void zombies(void) {
    for (int parent = 0; parent < 20; parent++)
        if (fork() == 0) {
            for (int child = 0; child < 3; child++)
                if (fork() == 0) _exit(0);
            pause_ms(50);
            _exit(0);
        }
    stay();
}

static void twice(void (*body)(void)) {
    if (fork() != 0) return;
    setsid();
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, 0);
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        body();
    }
    _exit(0);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "stay") == 0) {
        for (int signal_ = 1; signal_ <= 64; signal_++) signal(signal_, SIG_IGN);
        int null = open("/dev/null", O_RDWR);
        for (int fd = 0; fd < 3; fd++) dup2(null, fd);
        for (;;) pause();
    }
    void (*bodies[])(void) = {stay, stopped, traced, nested, zombies};
    for (size_t index = 0; index < sizeof bodies / sizeof *bodies; index++) twice(bodies[index]);
    pause_ms(1200);
    info("daemons of five kinds were started");
    return 0;
}
