// attack: 300 MiB in a file of /tmp, where 64 are allowed
// limits: {memory: 256MiB, processes: 40, wallTime: 60s, scratch: 64MiB}
// stopped: scratch
#include "attack.h"

int main(void) {
    static char block[MIB];
    int fd = open("/tmp/a", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    int taken = 0;
    while (taken < 300 && write(fd, block, sizeof block) == (ssize_t)sizeof block) taken++;
    if (taken < 300) {
        held("%d MiB in /tmp: %s", taken, strerror(errno));
        return 0;
    }
    linger();
    survived("%d MiB in /tmp", taken);
    return 0;
}
