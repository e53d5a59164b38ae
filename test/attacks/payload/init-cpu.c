// attack: RLIMIT_CPU of 1 s for process 1, and a flood of signals until the kernel kills it: the batch system would run the job again
// row: X12
// limits: {memory: 256MiB, processes: 100, wallTime: 60s}
// slow: true
#include "attack.h"

int main(void) {
    struct rlimit second = {1, 1};
    if (prlimit(1, RLIMIT_CPU, &second, NULL)) held("RLIMIT_CPU of process 1: %s", strerror(errno));
    else info("RLIMIT_CPU of process 1 is 1 s");
    for (int signal_ = 1; signal_ < 64; signal_++) signal(signal_, SIG_IGN);
    time_t end = time(NULL) + 12;
    for (int flood = 0; flood < 2; flood++)
        if (fork() == 0) {
            while (time(NULL) < end)
                for (int round = 0; round < 2000; round++) {
                    kill(1, SIGUSR1);
                    kill(1, SIGCHLD);
                    kill(1, SIGRTMIN + 1);
                }
            _exit(0);
        }
    while (wait(NULL) > 0) continue;
    return 3;
}
