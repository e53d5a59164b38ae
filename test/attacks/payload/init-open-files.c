// attack: prlimit(2) takes every descriptor from process 1: poll(2) fails for ever, and the payload's end is not seen
// row: X1
// limits: {memory: 256MiB, processes: 100, wallTime: 20s}
// ends: itself
#include "attack.h"

int main(void) {
    struct rlimit none = {0, 0};
    if (prlimit(1, RLIMIT_NOFILE, &none, NULL)) held("RLIMIT_NOFILE of process 1: %s", strerror(errno));
    else info("RLIMIT_NOFILE of process 1 is 0");
    // an orphan wakes it, so that it calls poll(2) anew
    if (fork() == 0) {
        if (fork() == 0) pause_ms(100);
        _exit(0);
    }
    wait(NULL);
    pause_ms(500);
    return 0;
}
