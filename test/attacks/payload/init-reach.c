// attack: what an equal user may do to process 1: stop it, trace it, read its memory, take its descriptors, slow it down, have it killed first
// row: X1, X7
// limits: {memory: 256MiB, processes: 100, wallTime: 20s}
// ends: itself
#include "attack.h"
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <dirent.h>

int main(void) {
    char text[64];
    // `tare doctor --attacks` changes nothing, should process 1 be another's
    bool looks = getenv("ATTACK_LOOK") != NULL;
    if (!looks) {
        kill(1, SIGSTOP);
        kill(1, SIGTERM);
        kill(1, SIGKILL);
    }
    say(ptrace(PTRACE_SEIZE, 1, NULL, NULL) == 0, "ptrace of process 1");
    say(open("/proc/1/mem", O_RDWR | O_CLOEXEC) >= 0, "memory of process 1");
    say(open("/proc/1/environ", O_RDONLY | O_CLOEXEC) >= 0 && read_from("/proc/1/environ", text, sizeof text)[0] != 0, "environment of process 1");
    if (!looks) say(opendir("/proc/1/fd") != NULL, "descriptors of process 1");
    struct iovec local = {text, 8}, remote = {(void *)0x400000, 8};
    say(process_vm_readv(1, &local, 1, &remote, 1, 0) > 0, "process_vm_readv of process 1");
    int process = (int)syscall(SYS_pidfd_open, 1, 0);
    bool taken = false;
    for (int fd = 0; fd < 16; fd++) taken |= syscall(SYS_pidfd_getfd, process, fd, 0) >= 0;
    say(taken, "a descriptor of process 1 by pidfd_getfd");
    for (int fd = 0; fd < 16 && !taken; fd++) {
        snprintf(text, sizeof text, "/proc/1/fd/%d", fd);
        taken = open(text, O_RDONLY | O_NONBLOCK | O_CLOEXEC) >= 0;
    }
    say(taken, "what a descriptor of process 1 is of, by /proc/1/fd");
    say(open("/proc/1/exe", O_WRONLY | O_CLOEXEC) >= 0 || errno == ETXTBSY, "process 1's program opened for writing");
    if (looks) return 0;
    say(write_to("/proc/1/coredump_filter", "0x7f"), "core dumps of process 1");
    say(write_to("/proc/1/timerslack_ns", "1000000000"), "timer slack of process 1");
    info("oom_score_adj of process 1 %s", write_to("/proc/1/oom_score_adj", "1000") ? "raised" : "not raised");
    setpriority(PRIO_PROCESS, 1, 19);
    struct sched_param idle = {0};
    sched_setscheduler(1, SCHED_IDLE, &idle);
    return 0;
}
