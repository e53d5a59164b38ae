// attack: 400,000 empty files in /dev/shm, which cost the kernel about 1 KiB each
// stopped: memory
#include "attack.h"

int main(void) {
    char name[64];
    long made = 0;
    for (; made < 400000; made++) {
        snprintf(name, sizeof name, "/dev/shm/%ld-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", made);
        int fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        if (fd < 0) break;
        close(fd);
    }
    linger();
    if (made > 300000) survived("%ld empty files in /dev/shm", made);
    else held("%ld empty files in /dev/shm", made);
    return 0;
}
