// attack: process 1 has no descriptors any more, and a daemon stays: the box outlives its wrapper
// row: X1
// limits: {memory: 256MiB, processes: 100, wallTime: 20s}
// ends: itself
// gone: tare-attack-deaf
#include "attack.h"

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "stay") == 0)
        for (;;) pause();
    struct rlimit none = {0, 0};
    if (prlimit(1, RLIMIT_NOFILE, &none, NULL)) held("RLIMIT_NOFILE of process 1: %s", strerror(errno));
    if (fork() == 0) {
        if (fork() == 0) pause_ms(100);
        _exit(0);
    }
    wait(NULL);
    pause_ms(500);
    if (fork() == 0) {
        setsid();
        int null = open("/dev/null", O_RDWR);
        for (int fd = 0; fd < 3; fd++) dup2(null, fd);
        execl("/proc/self/exe", "tare-attack-deaf", "stay", NULL);
    }
    pause_ms(200);
    return 0;
}
