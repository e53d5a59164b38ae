// attack: none; 400 MiB written to /tmp are page cache, which is no payload's fault and kills none
// limits: {memory: 256MiB, processes: 40, wallTime: 120s}
#include "attack.h"

int main(void) {
    static char block[MIB];
    int fd = open("/tmp/big", O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600), blocks = 0;
    while (blocks < 400 && write(fd, block, sizeof block) == (ssize_t)sizeof block) blocks++;
    held("%d MiB written to /tmp, and the payload lives", blocks);
    return 0;
}
