// attack: 300 MiB in a directory that its owner has locked, where 64 are allowed
// limits: {memory: 256MiB, processes: 40, wallTime: 60s, scratch: 64MiB}
// stopped: scratch
#include "attack.h"

int main(void) {
    static char block[MIB];
    mkdir("/tmp/d", 0700);
    int fd = open("/tmp/d/a", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    chmod("/tmp/d", 0);
    int taken = 0;
    while (taken < 300 && write(fd, block, sizeof block) == (ssize_t)sizeof block) taken++;
    if (taken < 300) {
        held("%d MiB in a locked directory: %s", taken, strerror(errno));
        return 0;
    }
    linger();
    survived("%d MiB in a locked directory", taken);
    return 0;
}
