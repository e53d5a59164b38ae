// attack: 100,000 empty files in /var/tmp, whose inodes no limit counts
// limits: {memory: 256MiB, processes: 40, wallTime: 120s, scratch: 64MiB}
// stopped: scratch
// slow: true
#include "attack.h"

int main(void) {
    char name[64];
    int made = 0;
    for (; made < 100000; made++) {
        snprintf(name, sizeof name, "/var/tmp/%d", made);
        int fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        if (fd < 0) break;
        close(fd);
    }
    if (made < 100000) {
        held("%d files: %s", made, strerror(errno));
        return 0;
    }
    linger();
    survived("%d empty files in /var/tmp", made);
    return 0;
}
