// attack: 1 GiB written to /dev/shm and never mapped
// stopped: memory
#include "attack.h"

int main(void) {
    static char block[MIB];
    int fd = open("/dev/shm/x", O_CREAT | O_RDWR, 0600), taken = 0;
    memset(block, 1, sizeof block);
    for (; taken < 1024 && write(fd, block, sizeof block) == (ssize_t)sizeof block; taken++)
        if (taken % 64 == 0) pause_ms(50);
    linger();
    if (taken > 400) survived("%d MiB in /dev/shm", taken);
    else held("/dev/shm took %d MiB", taken);
    return 0;
}
