// attack: 700 MiB in pipes that nobody reads
// stopped: memory
#include "attack.h"

int main(void) {
    static char block[65536];
    long taken = 0;
    int pipes = 0;
    for (; pipes < 9000 && taken < 700 * MIB; pipes++) {
        int ends[2];
        if (pipe2(ends, O_NONBLOCK)) break;
        fcntl(ends[0], F_SETPIPE_SZ, 1 << 20);
        for (ssize_t length; (length = write(ends[1], block, sizeof block)) > 0;) taken += length;
        if (pipes % 50 == 0) pause_ms(5);
    }
    linger();
    if (taken > 400 * MIB) survived("%ld MiB in %d pipes", taken / MIB, pipes);
    else held("%ld MiB in %d pipes", taken / MIB, pipes);
    return 0;
}
