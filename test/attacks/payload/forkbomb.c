// attack: forks without end, each child deaf to SIGTERM and in a session of its own
// limits: {memory: 256MiB, processes: 60, wallTime: 20s}
#include "attack.h"

static void bomb(void) {
    signal(SIGTERM, SIG_IGN);
    setsid();
    for (int round = 0; round < 200; round++) {
        fork();
        pause_ms(20);
    }
    pause();
}

int main(void) {
    long forked = 0, refused = 0;
    for (int round = 0; round < 1500; round++) {
        pid_t child = fork();
        if (child == 0) bomb();
        if (child > 0) forked++;
        else refused++;
        if (child < 0) pause_ms(2);
    }
    if (refused > 0) held("fork is refused after %ld (%ld times)", forked, refused);
    else survived("%ld forks, none refused", forked);
    return 0;
}
