// attack: 1 GiB in a file of memfd_create(2) that is never mapped
// stopped: memory
#include "attack.h"
#include <sys/mman.h>

int main(void) {
    static char block[MIB];
    int fd = memfd_create("x", 0), taken = 0;
    memset(block, 1, sizeof block);
    for (; taken < 1024 && write(fd, block, sizeof block) == (ssize_t)sizeof block; taken++)
        if (taken % 64 == 0) pause_ms(50);
    linger();
    if (taken > 400) survived("%d MiB in a memfd", taken);
    else held("a memfd took %d MiB", taken);
    return 0;
}
