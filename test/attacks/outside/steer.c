/* steer SECONDS [COMMAND…]: takes hold by ptrace(2) of a process of this account that works for one with root's rights, while both are still of the
 * same program: who has it gives orders to root. COMMAND is started again and again, and only its processes are looked at. Nothing is changed. */
#include "attack.h"
#include <dirent.h>
#include <sys/ptrace.h>

static int came;

struct process {
    char name[32];
    unsigned int uid, effective;
    int parent;
};

static bool look_at(int pid, struct process *process) {
    char path[64], text[2048];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    const char *uid = strstr(read_from(path, text, sizeof text), "\nUid:"), *parent = strstr(text, "\nPPid:");
    return uid != NULL && parent != NULL && sscanf(text, "Name:\t%31[^\n]", process->name) == 1 &&
           sscanf(uid, "\nUid:\t%u %u", &process->uid, &process->effective) == 2 && sscanf(parent, "\nPPid:\t%d", &process->parent) == 1;
}

/* The helper has the name of who it works for, or is one of Tare's, whose names differ. */
static bool works_for_root(const struct process *process) {
    struct process above = *process;
    for (int depth = 0; depth < 3 && look_at(above.parent, &above); depth++)
        if (above.effective == 0) return strcmp(above.name, process->name) == 0 || (depth == 0 && strncmp(process->name, "tare", 4) == 0);
    return false;
}

static bool take(int pid) {
    struct process process;
    if (pid == getpid() || !look_at(pid, &process) || process.uid != getuid() || process.uid == 0 || !works_for_root(&process)) return false;
    came++;
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) != 0) return false;
    ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
    waitpid(pid, NULL, __WALL);
    // it may have become another program meanwhile, which is the account's own
    bool still = look_at(pid, &process) && works_for_root(&process);
    ptrace(PTRACE_DETACH, pid, NULL, NULL);
    if (still) survived("a process of %s, which works for root, by ptrace", process.name);
    return still;
}

static bool take_below(int pid) {
    char path[64], text[1024], *rest = text;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    read_from(path, text, sizeof text);
    for (char *word; (word = strsep(&rest, " ")) != NULL && *word != '\0';)
        if (take(atoi(word)) || take_below(atoi(word))) return true;
    return false;
}

static bool take_any(void) {
    DIR *processes = opendir("/proc");
    bool taken = false;
    for (struct dirent *entry; !taken && (entry = readdir(processes)) != NULL;) taken = atoi(entry->d_name) > 1 && take(atoi(entry->d_name));
    closedir(processes);
    return taken;
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    struct timespec now, end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += atol(argv[1]);
    bool taken = false;
    pid_t command = 0;
    do {
        if (argc > 2 && command == 0) {
            command = fork();
            if (command == 0) {
                int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
                for (int fd = 0; fd < 3; fd++) dup2(nowhere, fd);
                execv(argv[2], argv + 2);
                _exit(127);
            }
        }
        taken = command > 0 ? take_below(command) : take_any();
        if (command > 0 && waitpid(command, NULL, WNOHANG) == command) command = 0;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (!taken && (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec)));
    if (command > 0) {
        kill(command, SIGKILL);
        waitpid(command, NULL, 0);
    }
    info("%d times a process of this account worked for root", came);
    if (argc > 2 && came == 0) survived("nothing: no process of the engine works for root");
    else if (!taken) held("no process that works for root can be taken hold of");
    return 0;
}
