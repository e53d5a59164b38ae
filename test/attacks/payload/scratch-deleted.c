// attack: 300 MiB in a file that has no name any more, where 64 are allowed
// limits: {memory: 256MiB, processes: 40, wallTime: 60s, scratch: 64MiB}
// stopped: scratch
#include "attack.h"

int main(void) {
    static char block[MIB];
    int fd = open("/tmp/a", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    unlink("/tmp/a");
    int taken = 0;
    while (taken < 300 && write(fd, block, sizeof block) == (ssize_t)sizeof block) taken++;
    if (taken < 300) {
        held("%d MiB in a deleted file: %s", taken, strerror(errno));
        return 0;
    }
    linger();
    survived("%d MiB in a deleted file", taken);
    return 0;
}
