// attack: 700 MiB in the buffers of socket pairs
// stopped: memory
#include "attack.h"
#include <sys/socket.h>

int main(void) {
    static char block[65536];
    long taken = 0;
    int pairs = 0;
    for (; pairs < 6000 && taken < 700 * MIB; pairs++) {
        int pair[2], size = 1 << 20;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair)) break;
        for (int end = 0; end < 2; end++) {
            setsockopt(pair[end], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
            for (ssize_t length; (length = write(pair[end], block, sizeof block)) > 0;) taken += length;
        }
        if (pairs % 50 == 0) pause_ms(10);
    }
    linger();
    if (taken > 400 * MIB) survived("%ld MiB in %d pairs of sockets", taken / MIB, pairs);
    else held("%ld MiB in %d pairs of sockets", taken / MIB, pairs);
    return 0;
}
